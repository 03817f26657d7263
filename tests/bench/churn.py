#!/usr/bin/env python3
"""The memory of `kubectl ds coverage --watch` and `kubectl ds rollout watch` while the cluster changes all the time.

    tests/bench/churn [--nodes 100] [--daemonsets 4] [--minutes 30] [--program FILE]

Fills a control plane of the tests (tests/control-plane/build), starts the two watches, and deletes pods, changes
templates, and adds and deletes nodes for as long as is asked for. Prints the memory of each watch (VmRSS) in every tenth
of that time: the median of samples five seconds apart. Needs cargo.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import time

from cluster import KUBECTL, build, control_plane, create, daemon_sets, nodes, say, versions, wait_for_rest

# So many parts of the time are told apart.
PARTS = 10
# Seconds between two samples.
PERIOD = 5


def resident(process):
    """The memory of a process in MiB."""
    with open(f"/proc/{process.pid}/status") as file:
        for line in file:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    sys.exit(f"{process.args} has ended")


def kubectl(env, *words, text=None):
    # What somebody else changed meanwhile is no failure here.
    subprocess.run([KUBECTL, *words], env=env, input=text, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def change(env, options, turn):
    """Changes something of the cluster."""
    name = f"agent-{random.randrange(options.daemonsets):02}"
    kinds = turn % 4
    if kinds == 0:
        template = {"spec": {"template": {"metadata": {"annotations": {"turn": str(turn)}}}}}
        kubectl(env, "patch", "daemonset", name, "-p", json.dumps(template))
    elif kinds == 1:
        kubectl(env, "delete", "pods", "-l", f"app={name}", "--wait=false")
    elif kinds == 2:
        extra = list(nodes(3, options.nodes + turn % 50))
        kubectl(env, "create", "-f", "-", text="\n".join(json.dumps(one) for one in extra))
    else:
        kubectl(env, "delete", "node", *[f"node-{options.nodes + (turn - 1) % 50 + i:04}" for i in range(3)], "--wait=false")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument("--daemonsets", type=int, default=4)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--program", help="our program, instead of building it")
    options = parser.parse_args()
    random.seed(1)

    ours = build(options.program)
    with control_plane() as env:
        create(daemon_sets(options.daemonsets), env)
        create(nodes(options.nodes), env)
        wait_for_rest(env)
        # A revision that never comes: the rollout is watched to the end of the measurement.
        watch = ["rollout", "watch", "agent-00", "-o", "json", "--revision", "1000000", "--stall-timeout", "0"]
        commands = {"coverage --watch": ["coverage", "-A", "--watch"], "rollout watch": watch}
        with open(os.devnull, "w") as nowhere:
            watches = {name: subprocess.Popen([ours, *words], env=env, stdout=nowhere) for name, words in commands.items()}
        samples = {name: [] for name in watches}
        turns, begun = 0, time.monotonic()
        sampled = begun
        while time.monotonic() < begun + options.minutes * 60:
            change(env, options, turns)
            turns += 1
            if time.monotonic() >= sampled + PERIOD:
                sampled = time.monotonic()
                for name, process in watches.items():
                    samples[name].append(resident(process))
        for process in watches.values():
            process.terminate()
        print("\n".join(versions(ours, env)))
        print(f"{options.nodes} nodes, {options.daemonsets} DaemonSets, {turns} changes in {options.minutes:g} minutes")
        for name, all_of_them in samples.items():
            size = max(1, len(all_of_them) // PARTS)
            parts = [statistics.median(all_of_them[at : at + size]) for at in range(0, size * PARTS, size) if all_of_them[at : at + size]]
            print(f"{name:18}", "  ".join(f"{part:5.1f}" for part in parts), " MiB")


if __name__ == "__main__":
    main()
