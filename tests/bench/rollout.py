#!/usr/bin/env python3
"""Measures `kubectl ds rollout watch` when nothing changes, and when all nodes change at once.

    tests/bench/rollout.py [--nodes 1000] [--seconds 60]

Fills a control plane of the tests (tests/control-plane/build.sh) with nodes and one DaemonSet.

Idle: watches a rollout that a bad image blocks; prints the CPU time, and the requests that a proxy counts.

Busy: watches a rollout with maxUnavailable 100% with `kubectl ds rollout watch -o json`, with a loop that only reads
the lines of a watch, and with `kubectl get pods -w`; prints the CPU time of each, and how much later than the loop each
reports that the new pod of a node is ready.

Needs cargo, and 15 minutes.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from urllib.parse import urlparse

from counter import Counter

from cluster import (
    KUBECTL,
    build,
    config,
    control_plane,
    create,
    daemon_sets,
    nodes,
    say,
    versions,
    wait_for_rest,
)

NAME = "agent-00"
TICK = os.sysconf("SC_CLK_TCK")


# Reads the lines of a watch as fast as they arrive, and writes each with the time of its arrival. The server ends a
# watch whose client is too slow; the next watch continues from there.
RAW = """
import http.client, re, ssl, sys, time
host, port, trust, token, path, file = sys.argv[1:]
version = ""
with open(file, "wb", buffering=0) as out:
    while True:
        connection = http.client.HTTPSConnection(host, int(port), context=ssl.create_default_context(cafile=trust))
        connection.request("GET", path + version, headers={"Authorization": "Bearer " + token})
        try:
            for line in connection.getresponse():
                out.write(b"%.6f " % time.monotonic() + line)
                found = re.search(rb'"resourceVersion":"([0-9]+)"', line)
                version = "&resourceVersion=" + found[1].decode() if found else ""
        except http.client.HTTPException:
            pass
"""


class Running:
    """A running program, and the lines that it wrote, each with the time of its arrival."""

    def __init__(self, command, env):
        self.process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.lines = []
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.lines.append((time.monotonic(), line))

    def cpu(self):
        """Returns the CPU time so far in seconds."""
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def until(self, words):
        while not any(words in line for _, line in list(self.lines)):
            if self.process.poll() is not None:
                raise SystemExit(f"{self.process.args[0]} ended without the expected output {words!r}")
            time.sleep(0.05)

    def end(self):
        self.process.terminate()
        self.process.wait()


def patch(change, env):
    command = [KUBECTL, "patch", "daemonset", NAME, "--type=strategic", "-p", json.dumps(change)]
    subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL)


def template(image, behavior, max_unavailable):
    return {"spec": {
        "updateStrategy": {"rollingUpdate": {"maxUnavailable": max_unavailable}},
        "template": {
            "metadata": {"annotations": {"ds.test/no-image": behavior}},
            "spec": {"containers": [{"name": "agent", "image": image}]},
        },
    }}


def measure_idle(options, ours, env):
    """Returns the CPU time in seconds and the requests of a watch of a blocked rollout."""
    patch(template("registry.example.com/team/agent:bad", "*", 1), env)
    watch = [ours, "rollout", "watch", NAME, "-o", "json", "--stall-timeout", "0"]
    counter = Counter(env)
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        cluster = {"name": "plane", "cluster": {"server": counter.url}}
        context = {"name": "plane", "context": {"cluster": "plane", "user": ""}}
        json.dump({"clusters": [cluster], "contexts": [context], "current-context": "plane"}, file)
        file.flush()
        direct, counted = Running(watch, env), Running(watch, dict(env, KUBECONFIG=file.name))
        direct.until(b'"BlockerFound"')
        counted.until(b'"BlockerFound"')
        # The start of the watch is over by then.
        time.sleep(10)
        first = counter.since(0)
        start, cpu = time.monotonic(), direct.cpu()
        time.sleep(options.seconds)
        cpu = direct.cpu() - cpu
        later = counter.since(start)
        direct.end()
        counted.end()
    return cpu, first, later


def measure_busy(options, ours, env):
    """Returns the CPU time of each program while all nodes change, and the lines that each received or wrote."""
    cluster, user = config(env)
    server = urlparse(cluster["server"])
    with tempfile.NamedTemporaryFile(suffix=".watch") as into:
        raw = [sys.executable, "-c", RAW, server.hostname, str(server.port), cluster["certificate-authority"],
               user["token"], "/api/v1/namespaces/default/pods?watch=true", into.name]
        running = {
            "kubectl ds rollout watch": Running([ours, "rollout", "watch", NAME, "-o", "json", "--revision", "3"], env),
            "a loop that only reads": Running(raw, env),
            "kubectl get pods -w": Running([KUBECTL, "get", "pods", "-w", "--no-headers", "-o", "wide"], env),
        }
        rollout, loop, kubectl = running.values()
        rollout.until(b'"Started"')
        kubectl.until(b"node-")
        time.sleep(10)
        before = {name: one.cpu() for name, one in running.items()}
        seen = os.path.getsize(into.name)
        patch(template("registry.example.com/team/agent:next", None, "100%"), env)
        start = time.monotonic()
        # The watch ends by itself; the last reading before its end counts.
        cpu = {}
        while rollout.process.poll() is None:
            with contextlib.suppress(OSError, ValueError):
                cpu = {name: one.cpu() - before[name] for name, one in running.items()}
            time.sleep(0.02)
            if time.monotonic() - start > 1200:
                raise SystemExit("timed out: the rollout did not complete within 1200 s")
        rollout.reader.join()
        time.sleep(2)
        loop.end()
        kubectl.end()
        into.seek(seen)
        lines = [line.split(b" ", 1) for line in into if line.endswith(b"\n")]
    return cpu, [(float(at), line) for at, line in lines], rollout.lines, kubectl.lines


def ready_times(raw, rollout, kubectl):
    """Returns for each program and node the time at which the new pod was reported ready."""
    ready, pods, ours, theirs = {}, {}, {}, {}
    for at, line in raw:
        pod = json.loads(line)["object"]
        new = pod["spec"]["containers"][0]["image"].endswith(":next") and "deletionTimestamp" not in pod["metadata"]
        conditions = pod.get("status", {}).get("conditions", [])
        if new and any(one["type"] == "Ready" and one["status"] == "True" for one in conditions):
            ready.setdefault(pod["spec"]["nodeName"], at)
            pods[pod["metadata"]["name"]] = pod["spec"]["nodeName"]
    for at, line in rollout:
        event = json.loads(line)
        if event["type"] == "NodeDone":
            ours.setdefault(event["node"], at)
    for at, line in kubectl:
        words = line.decode().split()
        if words[0] in pods and words[1] == "1/1":
            theirs.setdefault(pods[words[0]], at)
    return ready, ours, theirs


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=60)
    options = parser.parse_args()
    ours = build()
    with control_plane() as env:
        create(nodes(options.nodes), env)
        create(daemon_sets(1), env)
        wait_for_rest(env)
        say("idle")
        cpu, first, later = measure_idle(options, ours, env)
        print("; ".join(versions(ours, env)))
        print(f"\nidle, {options.nodes} nodes, {options.seconds} s: {cpu:.2f} s of CPU time; {len(first)} requests at "
              f"the start ({sum('watch=' in path for path in first)} watches), and {len(later)} afterwards")
        for path in later:
            print(f"  {path}")
        say("busy")
        cpu, raw, rollout, kubectl = measure_busy(options, ours, env)
    ready, done, theirs = ready_times(raw, rollout, kubectl)
    took = max(ready.values()) - min(ready.values())
    print(f"\nbusy: {len(ready)} new pods became ready within {took:.1f} s, with {len(raw)} changes of pods")
    print("|                          |  CPU time |      nodes | later than the loop, median |  longest |")
    print("|--------------------------|----------:|-----------:|----------------------------:|---------:|")
    for name, reported in zip(cpu, [done, ready, theirs], strict=True):
        # kubectl ends when the server ends its watch: what it reported until then counts.
        lags = [reported[node] - ready[node] for node in reported if node in ready] or [float("nan")]
        times = f"{statistics.median(lags):25.2f} s | {max(lags):6.2f} s"
        print(f"| {name:<24} | {cpu[name]:7.2f} s | {len(reported):10} | {times} |")


if __name__ == "__main__":
    main()
