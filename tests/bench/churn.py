#!/usr/bin/env python3
"""Measures the memory of `kubectl ds coverage --watch` and `kubectl ds rollout watch` while the cluster changes.

    tests/bench/churn.py [--nodes 100] [--daemonsets 4] [--minutes 30] [--program FILE]

Fills a control plane of the tests (tests/control-plane/build.sh), starts the two watches, and for the given time
deletes pods, changes templates, and adds and deletes nodes. Prints the memory of each watch (VmRSS) in each tenth of
that time: the median of samples five seconds apart. Needs cargo.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import time

from cluster import KUBECTL, build, control_plane, create, daemon_sets, nodes, versions, wait_for_rest

# The report divides the time into this many parts.
PARTS = 10
# Seconds between two samples.
PERIOD = 5


def resident(process):
    """Returns the memory of a process in MiB."""
    with open(f"/proc/{process.pid}/status") as file:
        for line in file:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    sys.exit(f"{process.args} ended early")


def kubectl(env, *words, text=None):
    # Conflicts with concurrent changes are expected.
    null = subprocess.DEVNULL
    subprocess.run([KUBECTL, *words], env=env, input=text, text=True, stdout=null, stderr=null, check=False)


def change(env, options, turn):
    """Changes the cluster; `turn` selects the kind of change."""
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
        first = options.nodes + (turn - 1) % 50
        kubectl(env, "delete", "node", *[f"node-{first + i:04}" for i in range(3)], "--wait=false")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument("--daemonsets", type=int, default=4)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--program", help="measure this program instead of building one")
    options = parser.parse_args()
    random.seed(1)

    ours = build(options.program)
    with control_plane() as env:
        create(daemon_sets(options.daemonsets), env)
        create(nodes(options.nodes), env)
        wait_for_rest(env)
        # A revision that never exists: the watch does not end before the measurement.
        watch = ["rollout", "watch", "agent-00", "-o", "json", "--revision", "1000000", "--stall-timeout", "0"]
        commands = {"coverage --watch": ["coverage", "-A", "--watch"], "rollout watch": watch}
        with open(os.devnull, "w") as null:
            watches = {name: subprocess.Popen([ours, *words], env=env, stdout=null) for name, words in commands.items()}
        samples = {name: [] for name in watches}
        turns, start = 0, time.monotonic()
        sampled = start
        while time.monotonic() < start + options.minutes * 60:
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
        for name, values in samples.items():
            size = max(1, len(values) // PARTS)
            parts = [values[at : at + size] for at in range(0, size * PARTS, size)]
            medians = [statistics.median(part) for part in parts if part]
            print(f"{name:18}", "  ".join(f"{median:5.1f}" for median in medians), " MiB")


if __name__ == "__main__":
    main()
