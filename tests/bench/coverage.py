#!/usr/bin/env python3
"""`kubectl ds coverage -A` beside `curl` fetching the same list and `kubectl get pods -A -o wide`, in one run.

    tests/bench/coverage [--nodes 1000] [--daemonsets 20] [--rounds 5] [--program FILE] [--grow]

Fills a control plane of the tests (tests/control-plane/build) with nodes and DaemonSets, whose pods are as large as
real ones, waits until they run, and prints wall time and peak memory of each, the median of interleaved rounds.
--program measures a program that is there already, such as that of an archive; several are measured beside each other.
--grow adds as many nodes again at the end, and prints what each further pod takes of our peak memory.
Needs curl, cargo, and a quarter of an hour.
"""

import argparse
import hashlib
import os
import statistics
import subprocess
import tempfile
import time

from cluster import KUBECTL, build, config, control_plane, create, daemon_sets, measured, nodes, say, versions, wait_for_rest


def digest(path):
    """Of all but the head, which counts every change of the cluster. In small pieces: a child's peak memory is at least
    that of this program."""
    sum_of_pieces = hashlib.sha256()
    with open(path, "rb") as file:
        file.seek(64)
        while piece := file.read(1 << 16):
            sum_of_pieces.update(piece)
    return sum_of_pieces.digest()


def settle(command, fetched, env):
    """Until the answer stays the same for half a minute."""
    last = None
    for _ in range(20):
        measured(command, env)
        now = digest(fetched)
        if now == last:
            return
        last = now
        time.sleep(30)
    say("the cluster does not come to rest; the figures will scatter")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--daemonsets", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--program", action="append", default=[], help="our program, instead of building it")
    parser.add_argument("--grow", action="store_true", help="measure the memory of each further pod")
    options = parser.parse_args()

    ours = [build(program) for program in options.program or [None]]
    with control_plane() as env:
        bench(options, ours, env)


def bench(options, ours, env):
    create(nodes(options.nodes), env)
    create(daemon_sets(options.daemonsets), env)
    pods = wait_for_rest(env)

    cluster, user = config(env)
    token = user["token"]
    with tempfile.TemporaryDirectory() as folder:
        fetched = os.path.join(folder, "pods")

        def curl(accept):
            return ["curl", "--silent", "--fail", "--cacert", cluster["certificate-authority"], "-H", f"Authorization: Bearer {token}",
                    "-H", f"Accept: {accept}", "-o", fetched, cluster["server"] + "/api/v1/pods"]

        # The controllers' last work is over when two answers are alike.
        settle(curl("application/vnd.kubernetes.protobuf"), fetched, env)
        measured(curl("application/json"), env)
        json_bytes = os.path.getsize(fetched)
        protobuf = curl("application/vnd.kubernetes.protobuf")
        measured(protobuf, env)
        protobuf_bytes = os.path.getsize(fetched)

        contestants = [
            *((f"kubectl ds coverage -A{' (%d)' % number if number else ''}", [one, "coverage", "-A"]) for number, one in enumerate(ours)),
            ("curl, the pods as protobuf", protobuf),
            ("kubectl get pods -A -o wide", [KUBECTL, "get", "pods", "-A", "-o", "wide"]),
        ]
        results = {name: [] for name, _ in contestants}
        for number in range(options.rounds):
            say(f"round {number + 1} of {options.rounds}")
            for name, command in contestants:
                results[name].append(measured(command, env))

    curl_version = subprocess.run(["curl", "--version"], capture_output=True, text=True).stdout.split(" (")[0]
    print("; ".join([*versions(ours[0], env), curl_version]))
    print(f"{options.nodes} nodes, {options.daemonsets} DaemonSets, {pods} pods: "
          f"{json_bytes / 1e6:.0f} MB as JSON ({json_bytes / pods / 1e3:.0f} KB a pod), {protobuf_bytes / 1e6:.0f} MB as protobuf")
    print()
    base = statistics.median(seconds for seconds, _ in results[contestants[0][0]])
    print(f"| {'median of ' + str(options.rounds):<28} | wall time | fastest - slowest | ours is   | peak memory |")
    print(f"|{'-' * 30}|----------:|------------------:|----------:|------------:|")
    for name, _ in contestants:
        times = [seconds for seconds, _ in results[name]]
        median = statistics.median(times)
        peak = max(peak for _, peak in results[name])
        ratio = "" if name == contestants[0][0] else f"{base / median:.2f} ×"
        print(f"| {name:<28} | {median:7.2f} s | {min(times):5.2f} - {max(times):5.2f} s   | {ratio:>9} | {peak:7.0f} MiB |")
    if options.grow:
        peaks = {name: max(peak for _, peak in results[name]) for name, _ in contestants}
        grow(options, ours, env, pods, [peaks[name] for name, _ in contestants[: len(ours)]])


def grow(options, ours, env, pods, peaks):
    """What each further pod takes, from the peaks at two sizes of the cluster."""
    create(nodes(options.nodes, first=options.nodes), env)
    more = wait_for_rest(env) - pods
    print()
    for program, before in zip(ours, peaks, strict=True):
        after = max(measured([program, "coverage", "-A"], env)[1] for _ in range(options.rounds))
        print(f"{program}: {(after - before) * 1024 / more:.2f} KiB for each of {more} further pods")


if __name__ == "__main__":
    main()
