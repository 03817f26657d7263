"""The cluster that the measurements run on: filled, at rest, and the way to measure a command."""

import contextlib
import json
import os
import subprocess
import sys
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
PLANE = os.environ.get("DS_CONTROL_PLANE", os.path.join(ROOT, "target", "control-plane"))
KUBECTL = os.path.join(PLANE, "kubectl")
# So many seconds may pass without another pod that is available.
PATIENCE = 1800


def say(*words):
    print(*words, file=sys.stderr, flush=True)


def measured(command, env):
    """Wall time in seconds and peak memory in MiB of a command whose output nobody reads."""
    with open(os.devnull, "w") as nowhere:
        begun = time.monotonic()
        process = subprocess.Popen(command, env=env, stdout=nowhere)
        _, status, usage = os.wait4(process.pid, 0)
        elapsed = time.monotonic() - begun
    if status != 0:
        sys.exit(f"{command[0]} ended with status {status}")
    return elapsed, usage.ru_maxrss / 1024


def nodes(number, first=0):
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
            "status": {"allocatable": {"cpu": "64", "memory": "256Gi", "pods": "250"}, "capacity": {"cpu": "64", "memory": "256Gi", "pods": "250"}},
        }
        if index % 10 == 0:
            node["spec"] = {"taints": [{"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}]}
        yield node


def daemon_sets(number):
    """Half of them run everywhere, the others on a part of the nodes: 70% of all pairs together."""
    for index in range(number):
        name = f"agent-{index:02}"
        # As in real agents: environment, probes, mounts. They stand in the pod and again in its managedFields.
        environment = [{"name": f"AGENT_SETTING_NUMBER_{i:02}", "value": f"a value of a usual length, number {i:02}"} for i in range(30)]
        mounts = [{"name": f"host-path-{i}", "mountPath": f"/host/path/number/{i}", "readOnly": True} for i in range(6)]
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
            wanted = [str(i) for i in range(10) if i % 2 == 1]
            requirement = {"key": "number", "operator": "In", "values": wanted[: 2 + index % 4]}
            spec["affinity"] = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": [requirement]}]}}}
        yield {
            "apiVersion": "apps/v1",
            "kind": "DaemonSet",
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"selector": {"matchLabels": {"app": name}}, "template": {"metadata": {"labels": {"app": name}}, "spec": spec}},
        }


def create(objects, env):
    text = "\n".join(json.dumps(one) for one in objects)
    subprocess.run([KUBECTL, "create", "-f", "-"], input=text, text=True, env=env, check=True, stdout=subprocess.DEVNULL)


def wait_for_rest(env):
    """Until every DaemonSet has as many available pods as it wants."""
    path = "jsonpath={range .items[*]}{.status.numberAvailable}/{.status.desiredNumberScheduled}{\"\\n\"}{end}"
    deadline = time.monotonic() + PATIENCE
    best = 0
    while time.monotonic() < deadline:
        text = subprocess.run([KUBECTL, "get", "daemonsets", "-o", path], env=env, check=True, capture_output=True, text=True).stdout
        pairs = [line.split("/") for line in text.split()]
        done = sum(int(have or 0) for have, _ in pairs)
        wanted = sum(int(want or 0) for _, want in pairs)
        say(f"{done} of {wanted} pods are available")
        if done > best:
            # A large cluster takes long; one that stands still never ends.
            best, deadline = done, time.monotonic() + PATIENCE
        if wanted and all(have == want for have, want in pairs):
            return wanted
        time.sleep(10)
    sys.exit("the pods do not come up")


def build(program=None):
    """Our own program unless there is one, and the tests that hold a control plane. Gives the program."""
    subprocess.run(["cargo", "test", "-q", "--test", "live", "--no-run"], cwd=ROOT, check=True)
    if program:
        return os.path.abspath(program)
    subprocess.run(["cargo", "build", "--release", "--locked"], cwd=ROOT, check=True)
    return os.path.join(ROOT, "target", "release", "kubectl-ds")


@contextlib.contextmanager
def control_plane():
    """An empty control plane; gives the environment in which kubectl finds it."""
    # A machine at its limits is late with heartbeats; that must not make nodes flap here.
    patient = dict(os.environ, DS_SILENCE="3600")
    plane = subprocess.Popen(["cargo", "test", "-q", "--test", "live", "--", "hold"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=patient)
    try:
        kubeconfig = plane.stdout.readline().strip()
        yield {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "KUBECONFIG": kubeconfig}
    finally:
        plane.stdin.close()
        plane.wait()


def config(env):
    """The one cluster and the one user of the kubeconfig."""
    text = subprocess.run([KUBECTL, "config", "view", "--raw", "--minify", "-o", "json"], env=env, check=True, capture_output=True, text=True).stdout
    read = json.loads(text)
    return read["clusters"][0]["cluster"], read["users"][0]["user"]


def versions(ours, env):
    """What was measured, on what."""
    server = json.loads(subprocess.run([KUBECTL, "version", "-o", "json"], env=env, capture_output=True, text=True).stdout)
    return [
        subprocess.run([ours, "--version"], capture_output=True, text=True).stdout.strip(),
        "Kubernetes " + server["serverVersion"]["gitVersion"],
        f"{os.cpu_count()} cores, shared with the control plane",
    ]
