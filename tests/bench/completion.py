#!/usr/bin/env python3
"""Compares the completion of node names for `kubectl ds why-not` and `kubectl describe node`, in one run.

    tests/bench/completion.py [--nodes 1000] [--rounds 21] [--program FILE]

Fills a control plane of the tests (tests/control-plane/build.sh) with nodes and prints the wall time of each
completion: the median of interleaved rounds. Needs cargo, and a few minutes.
"""

import argparse
import os
import statistics
import tempfile

from cluster import KUBECTL, ROOT, build, control_plane, create, measured, nodes, output, say, versions


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--program", help="measure this program instead of building one")
    options = parser.parse_args()
    ours = build(options.program)
    with control_plane() as env, tempfile.TemporaryDirectory() as folder:
        # As on a user's PATH: the program, and the helper that kubectl runs.
        helper = os.path.join(ROOT, "completions", "kubectl_complete-ds")
        for name, target in [("kubectl-ds", ours), ("kubectl_complete-ds", helper)]:
            os.symlink(target, os.path.join(folder, name))
        bench(options, ours, dict(env, PATH=f"{folder}:{env['PATH']}"))


def bench(options, ours, env):
    create(nodes(options.nodes), env)
    contestants = [
        ("kubectl-ds __complete why-not ''", [ours, "__complete", "why-not", ""]),
        ("kubectl __complete ds why-not ''", [KUBECTL, "__complete", "ds", "why-not", ""]),
        ("kubectl __complete describe node ''", [KUBECTL, "__complete", "describe", "node", ""]),
        ("kubectl __complete (no cluster)", [KUBECTL, "__complete", "describe", ""]),
    ]
    for name, command in contestants[:3]:
        offered = sum(line.startswith("node-") for line in output(command, env).splitlines())
        if offered != options.nodes:
            raise SystemExit(f"{name}: offered {offered} of {options.nodes} names")
    results = {name: [] for name, _ in contestants}
    for number in range(options.rounds):
        say(f"round {number + 1} of {options.rounds}")
        for name, command in contestants:
            results[name].append(measured(command, env)[0])
    print("; ".join(versions(ours, env)))
    print(f"{options.nodes} nodes")
    print()
    print(f"| {'median of ' + str(options.rounds):<36} | wall time | fastest - slowest |")
    print(f"|{'-' * 38}|----------:|------------------:|")
    for name, times in results.items():
        print(f"| {name:<36} | {statistics.median(times):7.3f} s | {min(times):6.3f} - {max(times):6.3f} s |")


if __name__ == "__main__":
    main()
