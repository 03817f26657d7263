#!/usr/bin/env python3
"""Measures `kubectl ds cycle` on a large cluster, against the shortest time that its budget allows.

    tests/bench/cycle.py [--nodes 1000] [--budget 10%] [--ready 10] [--program FILE]... [--partly SECONDS]

Fills a control plane of the tests (tests/control-plane/build.sh) with nodes and one DaemonSet whose new pods become
ready some seconds after they are bound. Each program replaces all pods through a proxy that counts requests and bytes.
Prints the time, the ideal time (the number of waves times the seconds), and the requests and bytes of each replaced
node. With --partly, a program is stopped after this time, and only its rate is printed. Needs cargo.
"""

import argparse
import json
import math
import os
import signal
import subprocess
import time

from counter import Counter

from cluster import KUBECTL, build, control_plane, create, daemon_sets, nodes, output, say, versions, wait_for_rest

NAME = "agent-00"


def patch(change, env):
    command = [KUBECTL, "patch", "daemonset", NAME, "--type=merge", "-p", json.dumps(change)]
    subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL)


def wait_for_revision(number, env):
    """Waits until the controller has created the revisions of the templates."""
    while len(output([KUBECTL, "get", "controllerrevisions", "-o", "name"], env).split()) < number:
        time.sleep(0.5)


def cycle(program, options, env, partly):
    """Runs the program. Returns the seconds, the replaced nodes, the requests and the bytes."""
    counter = Counter(env)
    command = [program, "cycle", NAME, "-n", "default", "--yes", "--max-unavailable", options.budget, "-o", "json"]
    start = time.monotonic()
    with open(os.devnull, "w") as null:
        process = subprocess.Popen(
            [*command, "--server", counter.url], env=env, stdout=subprocess.PIPE, stderr=null, text=True
        )
        if partly:
            # An interrupted run finishes its nodes in progress.
            time.sleep(partly)
            process.send_signal(signal.SIGINT)
        text, _ = process.communicate()
    elapsed = time.monotonic() - start
    report = json.loads(text.splitlines()[-1])
    if not partly and (process.returncode != 0 or report["replaced"] != options.nodes):
        raise SystemExit(f"{program} failed: exit status {process.returncode}, {report['message']}")
    return elapsed, report["replaced"], counter.requests, counter.bytes, report


def budget_of(text, number):
    if text.endswith("%"):
        return math.ceil(number * int(text[:-1]) / 100)
    return int(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--budget", default="10%")
    parser.add_argument("--ready", type=int, default=10, help="seconds until a new pod is ready")
    parser.add_argument("--program", action="append", help="a built program; repeat it to compare several")
    parser.add_argument("--partly", type=int, help="stop the programs but the first after this many seconds")
    options = parser.parse_args()
    programs = [build(program) for program in options.program or [None]]
    waves = math.ceil(options.nodes / budget_of(options.budget, options.nodes))
    ideal = waves * options.ready
    with control_plane() as env:
        for line in versions(programs[0], env):
            print(line)
        (agent,) = list(daemon_sets(1))
        agent["spec"]["updateStrategy"] = {"type": "OnDelete"}
        create(nodes(options.nodes), env)
        create([agent], env)
        wait_for_rest(env)
        print(f"{options.nodes} nodes, budget {options.budget}, ready after {options.ready} s: ideal {ideal} s")
        for index, program in enumerate(programs):
            slow = {"ds.test/slow": "*", "ds.test/slow-for": f"{options.ready}s", "turn": str(index)}
            patch({"spec": {"template": {"metadata": {"annotations": slow}}}}, env)
            wait_for_revision(index + 2, env)
            say(f"{program}: started")
            partly = options.partly if index else None
            elapsed, replaced, requests, size, report = cycle(program, options, env, partly)
            writes = sum(method in ("POST", "PUT", "DELETE", "PATCH") for _, method, _ in requests)
            lists = sum("watch=" not in path for _, method, path in requests if method == "GET")
            print(
                f"{os.path.basename(program)}: {replaced} nodes in {elapsed:.1f} s"
                + (f", {elapsed / ideal:.2f} times the ideal" if not partly else "")
            )
            print(
                f"  for each replaced node: {len(requests) / replaced:.2f} requests ({lists / replaced:.2f} reads, "
                f"{writes / replaced:.2f} writes), {size / replaced / 1024:.1f} KiB"
            )
            for phase in report.get("phases", []):
                print(f"  {phase['phase']}: median {phase['medianSeconds']} s, slowest {phase['slowestSeconds']} s")


if __name__ == "__main__":
    main()
