"""Shared by the benchmarks: creates and fills a cluster, waits until it is idle, measures a command."""

import contextlib
import json
import os
import subprocess
import sys
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
PLANE = os.environ.get("DS_CONTROL_PLANE", os.path.join(ROOT, "target", "control-plane"))
KUBECTL = os.path.join(PLANE, "kubectl")
# Seconds without another available pod after which the wait fails.
TIMEOUT = 1800


def say(*words):
    print(*words, file=sys.stderr, flush=True)


def output(command, env):
    """Returns the standard output of a command."""
    return subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout


def measured(command, env):
    """Returns the wall time in seconds and the peak memory in MiB of a command. Discards its output."""
    with open(os.devnull, "w") as null:
        start = time.monotonic()
        process = subprocess.Popen(command, env=env, stdout=null)
        _, status, usage = os.wait4(process.pid, 0)
        elapsed = time.monotonic() - start
    if status != 0:
        sys.exit(f"{command[0]} failed: exit status {status}")
    return elapsed, usage.ru_maxrss / 1024


def nodes(number, first=0):
    resources = {"cpu": "64", "memory": "256Gi", "pods": "250"}
    for index in range(first, first + number):
        zone = "abc"[index % 3]
        node = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": f"node-{index:04}",
                "labels": {
                    "topology.kubernetes.io/zone": f"zone-{zone}",
                    "pool": "gpu" if index % 10 == 0 else "general",
                    "number": str(index % 10),
                },
            },
            "status": {"allocatable": resources, "capacity": resources},
        }
        if index % 10 == 0:
            node["spec"] = {"taints": [{"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}]}
        yield node


def daemon_sets(number):
    """Half of the DaemonSets run on all nodes, the others on some: pods on 70% of all pairs of node and DaemonSet."""
    for index in range(number):
        name = f"agent-{index:02}"
        # Environment, probes and mounts as real agents have them. managedFields repeats them in each pod.
        environment = [
            {"name": f"AGENT_SETTING_NUMBER_{i:02}", "value": f"a value of a usual length, number {i:02}"}
            for i in range(30)
        ]
        mounts = [
            {"name": f"host-path-{i}", "mountPath": f"/host/path/number/{i}", "readOnly": True} for i in range(6)
        ]
        volumes = [{"name": f"host-path-{i}", "hostPath": {"path": f"/path/number/{i}", "type": ""}} for i in range(6)]
        probe = {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 10, "timeoutSeconds": 3}
        container = {
            "name": "agent",
            "image": "registry.example.com/team/agent:1.2.3",
            "env": environment,
            "volumeMounts": mounts,
            "livenessProbe": probe,
            "readinessProbe": probe,
            "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}},
        }
        spec = {"containers": [container], "volumes": volumes}
        if index % 2 == 0:
            spec["tolerations"] = [{"operator": "Exists"}]
        else:
            odd = [str(i) for i in range(10) if i % 2 == 1]
            requirement = {"key": "number", "operator": "In", "values": odd[: 2 + index % 4]}
            required = {"nodeSelectorTerms": [{"matchExpressions": [requirement]}]}
            spec["affinity"] = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
        yield {
            "apiVersion": "apps/v1",
            "kind": "DaemonSet",
            "metadata": {"name": name, "namespace": "default"},
            "spec": {
                "selector": {"matchLabels": {"app": name}},
                "template": {"metadata": {"labels": {"app": name}}, "spec": spec},
            },
        }


def create(objects, env):
    text = "\n".join(json.dumps(one) for one in objects)
    command = [KUBECTL, "create", "-f", "-"]
    subprocess.run(command, input=text, text=True, env=env, check=True, stdout=subprocess.DEVNULL)


def wait_for_rest(env):
    """Waits until every DaemonSet has as many available pods as desired. Returns their number."""
    path = "jsonpath={range .items[*]}{.status.numberAvailable}/{.status.desiredNumberScheduled}{\"\\n\"}{end}"
    deadline = time.monotonic() + TIMEOUT
    best = 0
    while time.monotonic() < deadline:
        text = output([KUBECTL, "get", "daemonsets", "-o", path], env)
        pairs = [line.split("/") for line in text.split()]
        available = sum(int(number or 0) for number, _ in pairs)
        desired = sum(int(number or 0) for _, number in pairs)
        say(f"{available} of {desired} pods available")
        if available > best:
            # A large cluster takes long; the timeout is for one without progress.
            best, deadline = available, time.monotonic() + TIMEOUT
        if desired and all(one == other for one, other in pairs):
            return desired
        time.sleep(10)
    sys.exit(f"timed out: no further pod became available for {TIMEOUT} s")


def build(program=None):
    """Builds the live tests, which run the control plane, and the program unless one is given. Returns its path."""
    subprocess.run(["cargo", "test", "-q", "--test", "live", "--no-run"], cwd=ROOT, check=True)
    if program:
        return os.path.abspath(program)
    subprocess.run(["cargo", "build", "--release", "--locked"], cwd=ROOT, check=True)
    return os.path.join(ROOT, "target", "release", "kubectl-ds")


@contextlib.contextmanager
def control_plane():
    """Starts an empty control plane. Yields the environment for kubectl."""
    # Heartbeats are late on a busy machine; nodes must not become NotReady because of that.
    patient = dict(os.environ, DS_SILENCE="3600")
    command = ["cargo", "test", "-q", "--test", "live", "--", "playground"]
    pipe = subprocess.PIPE
    plane = subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True, env=patient)
    try:
        kubeconfig = plane.stdout.readline().strip()
        yield {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "KUBECONFIG": kubeconfig}
    finally:
        plane.stdin.close()
        plane.wait()


def config(env):
    """Returns the cluster and the user of the kubeconfig; it has one of each."""
    read = json.loads(output([KUBECTL, "config", "view", "--raw", "--minify", "-o", "json"], env))
    return read["clusters"][0]["cluster"], read["users"][0]["user"]


def versions(ours, env):
    """Returns the versions of the program and of Kubernetes, and the number of cores."""
    server = json.loads(output([KUBECTL, "version", "-o", "json"], env))
    return [
        output([ours, "--version"], env).strip(),
        "Kubernetes " + server["serverVersion"]["gitVersion"],
        f"{os.cpu_count()} cores, shared with the control plane",
    ]
