#!/usr/bin/env python3
"""Compares `kubectl ds plan` with `kubectl ds coverage` of the same DaemonSets, in one run.

    tests/bench/plan.py [--nodes 1000] [--daemonsets 20] [--rounds 5] [--program FILE]

Fills a control plane of the tests as tests/bench/coverage.py does, and prints wall time and peak memory of each
command: the median of interleaved rounds. The manifest has a new image.
"""

import argparse
import json
import os
import statistics
import tempfile

from cluster import build, control_plane, create, daemon_sets, measured, nodes, say, versions, wait_for_rest


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--daemonsets", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--program", help="measure this program instead of building one")
    options = parser.parse_args()
    ours = build(options.program)
    with control_plane() as env:
        bench(options, ours, env)


def bench(options, ours, env):
    create(nodes(options.nodes), env)
    sets = list(daemon_sets(options.daemonsets))
    create(sets, env)
    pods = wait_for_rest(env)
    changed = sets[0]
    changed["spec"]["template"]["spec"]["containers"][0]["image"] = "registry.example.com/team/agent:2.0.0"
    name = changed["metadata"]["name"]
    with tempfile.TemporaryDirectory() as folder:
        manifest = os.path.join(folder, "manifest.json")
        with open(manifest, "w") as file:
            json.dump(changed, file)
        contestants = [
            (f"coverage {name}", [ours, "coverage", name]),
            ("plan apply", [ours, "plan", "apply", "-f", manifest]),
            ("coverage -A", [ours, "coverage", "-A"]),
            ("plan node", [ours, "plan", "node", "node-0001", "--taint", "infra=true:NoExecute"]),
        ]
        results = {title: [] for title, _ in contestants}
        for number in range(options.rounds):
            say(f"round {number + 1} of {options.rounds}")
            for title, command in contestants:
                results[title].append(measured(command, env))
    print("; ".join(versions(ours, env)))
    print(f"{options.nodes} nodes, {options.daemonsets} DaemonSets, {pods} pods")
    print()
    print(f"| {'median of ' + str(options.rounds):<20} | wall time | peak memory | ratio |")
    print(f"|{'-' * 22}|----------:|------------:|------:|")
    base = None
    for title, _ in contestants:
        median = statistics.median(seconds for seconds, _ in results[title])
        peak = max(peak for _, peak in results[title])
        base = median if title.startswith("coverage") else base
        print(f"| {title:<20} | {median:7.2f} s | {peak:7.0f} MiB | {median / base:5.2f} |")


if __name__ == "__main__":
    main()
