#!/usr/bin/env python3
"""Compares `kubectl ds why-not NODE` and `kubectl describe node NODE` in one run, with 500 and with 1,000 nodes.

    tests/bench/why-not.py [--nodes 1000] [--daemonsets 20] [--rounds 11] [--program FILE]

Fills a control plane of the tests (tests/control-plane/build.sh) with half of the nodes, measures, adds the other half,
and measures again: requests, bytes from the server, wall time and peak memory, the median of interleaved rounds.
Needs cargo, and 15 minutes.
"""

import argparse
import re
import socket
import statistics
import subprocess
import tempfile
import threading
from urllib.parse import urlparse

from cluster import (
    KUBECTL,
    build,
    config,
    control_plane,
    create,
    daemon_sets,
    measured,
    nodes,
    say,
    versions,
    wait_for_rest,
)

NODE = "node-0007"
# What a request looks like in the log of each program at -v=6.
REQUESTS = {"ours": re.compile(r"\brequesting\b"), "kubectl": re.compile(r'"Response" verb=|GET https?://')}


class Counter:
    """A TCP proxy in front of the server that counts the bytes of its responses."""

    def __init__(self, server):
        self.target = (urlparse(server).hostname, urlparse(server).port)
        self.received = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            client, _ = self.listener.accept()
            server = socket.create_connection(self.target)
            threading.Thread(target=self.forward, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self.forward, args=(server, client, True), daemon=True).start()

    def forward(self, source, sink, counted):
        try:
            while piece := source.recv(1 << 16):
                if counted:
                    self.received += len(piece)
                sink.sendall(piece)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def requests(command, pattern, env):
    log = subprocess.run([*command, "-v=6"], env=env, check=True, capture_output=True, text=True).stderr
    return sum(1 for line in log.splitlines() if pattern.search(line))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--daemonsets", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--program", action="append", default=[], help="measure this program instead of building one")
    options = parser.parse_args()
    ours = [build(program) for program in options.program or [None]]
    with control_plane() as env:
        half = options.nodes // 2
        create(nodes(half), env)
        create(daemon_sets(options.daemonsets), env)
        few = bench(options, ours, env, half, wait_for_rest(env))
        create(nodes(options.nodes - half, half), env)
        many = bench(options, ours, env, options.nodes, wait_for_rest(env))
        print("; ".join(versions(ours[0], env)))
    for name, figures in [*few, *many]:
        print(name)
        print(figures)
    # The fastest rounds: the machine may be busier in one half of the run than in the other.
    growth = min(TIMES[options.nodes]) / min(TIMES[half])
    print(f"kubectl ds why-not: {growth:.2f} × the time with {options.nodes} nodes as with {half} (fastest rounds)")


TIMES = {}


def bench(options, ours, env, count, pods):
    contestants = [
        *(
            (f"kubectl ds why-not NODE{f' ({number})' if number else ''}", "ours", [one, "why-not", NODE])
            for number, one in enumerate(ours)
        ),
        ("kubectl describe node NODE", "kubectl", [KUBECTL, "describe", "node", NODE]),
    ]
    results = {name: [] for name, _, _ in contestants}
    # Warms the caches of the server and of this machine for all.
    for _, _, command in contestants:
        measured(command, env)
    for number in range(options.rounds):
        say(f"{count} nodes: round {number + 1} of {options.rounds}")
        for name, _, command in contestants:
            results[name].append(measured(command, env))
    TIMES[count] = [seconds for seconds, _ in results[contestants[0][0]]]
    title = f"median of {options.rounds}"
    rows = [f"| {title:<26} | requests |    bytes | wall time | fastest - slowest | peak memory |",
            f"|{'-' * 28}|---------:|---------:|----------:|------------------:|------------:|"]
    for name, kind, command in contestants:
        times = [seconds for seconds, _ in results[name]]
        peak = max(peak for _, peak in results[name])
        rows.append(f"| {name:<26} | {requests(command, REQUESTS[kind], env):8} | {received(command, env):8} | "
                    f"{statistics.median(times):7.3f} s | {min(times):6.3f} - {max(times):6.3f} s | {peak:7.0f} MiB |")
    return [(f"\n{count} nodes, {options.daemonsets} DaemonSets, {pods} pods", "\n".join(rows))]


def received(command, env):
    cluster, _ = config(env)
    counter = Counter(cluster["server"])
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file, open(env["KUBECONFIG"]) as original:
        file.write(original.read().replace(cluster["server"], counter.url))
        file.flush()
        subprocess.run(command, env=dict(env, KUBECONFIG=file.name), check=True, stdout=subprocess.DEVNULL)
    return counter.received


if __name__ == "__main__":
    main()
