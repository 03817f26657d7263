//! Random saved clusters with hostile names, labels and event messages: they contain text that a shell would execute,
//! or that kubectl would parse as an option, if it were part of a command line.

use fastrand::Rng;
use serde_json::{Value, json};

/// The node for which every DaemonSet is explained.
pub(crate) const NODE: &str = "worker-1";
/// The number of DaemonSets in a cluster.
const DAEMON_SETS: usize = 240;

/// Messages of `FailedCreate` events, as API servers, webhooks and policies write them.
const MESSAGES: &str = include_str!("../fixtures/admission/event-messages.json");

/// The hostile texts. `OWNED` is the file that a shell would create.
const PAYLOADS: [&str; 38] = [
    "$(touch OWNED)",
    "`touch OWNED`",
    "x;touch OWNED",
    "x|touch OWNED",
    "x&touch OWNED&",
    "x\ntouch OWNED\n",
    "x\r\ntouch OWNED",
    "x>OWNED",
    "<(touch OWNED)",
    "'$(touch OWNED)'",
    "';touch OWNED;'",
    "\";touch OWNED;\"",
    "'",
    "\"",
    "\\",
    "\\';touch OWNED #",
    "${IFS}touch${IFS}OWNED",
    "$'\\x74ouch OWNED'",
    "--kubeconfig=evil",
    "--kubeconfig evil",
    "-oyaml",
    "-o",
    "--token=x",
    "--all",
    "-A",
    "-",
    "--",
    "~",
    "~root",
    "*",
    "[a-z]*",
    "=ls",
    "!!",
    "#",
    "\u{1b}[2Jx",
    "\u{202e}x",
    "аgent",
    "",
];

/// A cluster from a seed, in the format of `kubectl get -o json`.
pub(crate) fn cluster(seed: u64) -> Value {
    let mut cluster = Cluster { seed, rng: Rng::with_seed(seed), items: Vec::new() };
    cluster.node();
    for number in 0..DAEMON_SETS {
        cluster.daemon_set(number);
    }
    json!({ "apiVersion": "v1", "kind": "List", "items": cluster.items })
}

struct Cluster {
    /// Part of every name, so that the lines of two clusters differ.
    seed: u64,
    rng: Rng,
    items: Vec<Value>,
}

impl Cluster {
    fn payload(&mut self) -> &'static str {
        PAYLOADS[self.rng.usize(..PAYLOADS.len())]
    }

    /// The text, hostile in one of eight cases. If all texts were hostile, no line would be suggested.
    fn text(&mut self, good: &str) -> String {
        match self.rng.u8(..16) {
            0 => self.payload().to_owned(),
            1 => format!("{good}{}", self.payload()),
            _ => good.to_owned(),
        }
    }

    fn put(&mut self, kind: &str, api_version: &str, mut object: Value) {
        object["kind"] = kind.into();
        object["apiVersion"] = api_version.into();
        self.items.push(object);
    }

    fn node(&mut self) {
        let taints: Vec<Value> = (0..2)
            .map(|_| json!({ "key": self.text("example.com/dedicated"), "value": self.text("gpu"), "effect": "NoSchedule" }))
            .collect();
        let time = "2026-01-02T03:04:05Z";
        let node = json!({
            "metadata": { "name": NODE, "creationTimestamp": time, "labels": { "kubernetes.io/hostname": NODE, "pool": "a" } },
            "spec": { "taints": taints },
            "status": {
                "allocatable": { "cpu": "2", "memory": "4Gi", "pods": "300" },
                "conditions": [{ "type": "Ready", "status": "True", "reason": "KubeletReady", "lastHeartbeatTime": time }],
            },
        });
        self.put("Node", "v1", node);
        let other = json!({ "metadata": { "name": self.text("worker-2"), "creationTimestamp": time } });
        self.put("Node", "v1", other);
    }

    fn daemon_set(&mut self, number: usize) {
        let namespace = self.text("shop");
        let name = self.text(&format!("agent-{}-{number}", self.seed));
        let uid = format!("uid-{number}");
        let mut spec = self.pod_spec();
        let labels = json!({ "app": format!("a{number}") });
        if self.rng.u8(..4) != 0 {
            spec["tolerations"] = json!([{ "operator": "Exists" }]);
        }
        let strategy = if self.rng.u8(..4) == 0 { "OnDelete" } else { "RollingUpdate" };
        let daemon_set = json!({
            "metadata": { "namespace": namespace, "name": name, "uid": uid, "generation": 1, "creationTimestamp": "2026-01-02T03:04:05Z" },
            "spec": {
                "selector": { "matchLabels": labels },
                "template": { "metadata": { "labels": labels }, "spec": spec },
                "updateStrategy": { "type": strategy },
            },
            "status": { "observedGeneration": 1, "currentNumberScheduled": 0, "desiredNumberScheduled": 0, "numberMisscheduled": 0, "numberReady": 0 },
        });
        self.put("DaemonSet", "apps/v1", daemon_set);
        let revision = json!({
            "metadata": {
                "namespace": namespace, "name": format!("{name}-h{number}"), "creationTimestamp": "2026-01-02T03:04:05Z",
                "labels": { "app": format!("a{number}"), "controller-revision-hash": format!("h{number}") },
                "ownerReferences": [{ "apiVersion": "apps/v1", "kind": "DaemonSet", "name": name, "uid": uid, "controller": true }],
            },
            "revision": 1,
            "data": { "spec": { "template": { "$patch": "replace", "metadata": { "labels": labels }, "spec": spec } } },
        });
        self.put("ControllerRevision", "apps/v1", revision);
        match self.rng.u8(..3) {
            0 => self.failed_create(&namespace, &name, &uid, number),
            _ => self.pod(&namespace, &name, &uid, number, &spec),
        }
    }

    fn pod_spec(&mut self) -> Value {
        let requests = json!({ self.text("cpu"): "1500m", self.text("example.com/gpu"): "1" });
        let mut spec = json!({
            "containers": [{ "name": self.text("main"), "image": self.text("agent:1"), "resources": { "requests": requests, "limits": requests } }],
            "serviceAccountName": self.text("agent"),
        });
        match self.rng.u8(..8) {
            0 => spec["nodeSelector"] = json!({ self.text("pool"): self.text("b") }),
            1 => {
                let term = json!({ "key": self.text("zone"), "operator": "In", "values": [self.text("z1")] });
                spec["affinity"] = json!({ "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution":
                    { "nodeSelectorTerms": [{ "matchExpressions": [term] }] } } });
            }
            2 => {
                let term = json!({
                    "labelSelector": { "matchLabels": { self.text("app"): self.text("web") } }, "topologyKey": self.text("zone"),
                });
                spec["affinity"] =
                    json!({ "podAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": [term] } });
            }
            3 => {
                spec["volumes"] = json!([{ "name": "v", "persistentVolumeClaim": { "claimName": self.text("data") } }])
            }
            4 => spec["nodeName"] = self.text("worker-9").into(),
            5 => spec["schedulerName"] = self.text("mine").into(),
            6 => spec["priorityClassName"] = self.text("high").into(),
            _ => {}
        }
        spec
    }

    /// A `FailedCreate` event with one hostile word in its message.
    fn failed_create(&mut self, namespace: &str, name: &str, uid: &str, number: usize) {
        let messages: Vec<String> = serde_json::from_str(MESSAGES).unwrap();
        let message = &messages[self.rng.usize(..messages.len())];
        let mut words: Vec<String> = message.split(' ').map(str::to_owned).collect();
        let at = self.rng.usize(..words.len());
        let payload = self.payload();
        words[at] = match self.rng.u8(..4) {
            0 => payload.to_owned(),
            1 => format!("{payload}{}", words[at]),
            2 => format!("{}{payload}", words[at]),
            // After the last letter or digit, so that the punctuation at the end stays.
            _ => {
                let end = words[at].rfind(|c: char| c.is_ascii_alphanumeric()).map_or(0, |end| end + 1);
                format!("{}{payload}{}", &words[at][..end], &words[at][end..])
            }
        };
        self.event(namespace, ("DaemonSet", name, uid), "FailedCreate", &words.join(" "), number);
    }

    fn event(&mut self, namespace: &str, about: (&str, &str, &str), reason: &str, message: &str, number: usize) {
        let (kind, name, uid) = about;
        let event = json!({
            "metadata": { "namespace": namespace, "name": format!("e{number}") },
            "involvedObject": { "kind": kind, "namespace": namespace, "name": name, "uid": uid },
            "reason": reason, "message": message, "type": "Warning", "count": 3,
            "firstTimestamp": "2026-01-02T03:10:05Z", "lastTimestamp": "2026-01-02T03:14:05Z",
        });
        self.put("Event", "v1", event);
    }

    fn pod(&mut self, namespace: &str, daemon_set: &str, uid: &str, number: usize, spec: &Value) {
        let name = self.text(&format!("agent-{}-{number}-x", self.seed));
        let container = spec["containers"][0]["name"].clone();
        let waiting = |reason: &str, message: String| json!({ "waiting": { "reason": reason, "message": message } });
        let mut phase = "Running";
        let mut conditions = json!([{ "type": "Ready", "status": "False" }]);
        let mut metadata = json!({
            "namespace": namespace, "name": name, "uid": format!("pod-{number}"), "creationTimestamp": "2026-01-02T03:05:05Z",
            "labels": { "app": format!("a{number}"), "controller-revision-hash": format!("h{number}") },
            "ownerReferences": [{ "apiVersion": "apps/v1", "kind": "DaemonSet", "name": daemon_set, "uid": uid, "controller": true }],
        });
        let mut node = json!(NODE);
        let state = match self.rng.u8(..8) {
            0 => waiting("ImagePullBackOff", self.text("not found")),
            1 => waiting("CreateContainerConfigError", format!("configmap \"{}\" not found", self.text("settings"))),
            2 => waiting("CreateContainerConfigError", format!("secret \"shop/{}\" not found", self.text("key"))),
            3 => waiting("CrashLoopBackOff", self.text("back-off")),
            4 => {
                metadata["deletionTimestamp"] = "2026-01-02T03:06:05Z".into();
                metadata["finalizers"] = json!([self.text("example.com/hold")]);
                json!({ "running": {} })
            }
            5 => {
                phase = "Pending";
                node = Value::Null;
                let message = format!("0/2 nodes are available: 1 Insufficient {}.", self.text("cpu"));
                conditions = json!([{ "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message }]);
                Value::Null
            }
            6 => {
                metadata["deletionTimestamp"] = "2026-01-02T03:06:05Z".into();
                json!({ "running": {} })
            }
            _ => json!({ "running": {} }),
        };
        let mut spec = spec.clone();
        if node.is_null() {
            spec["affinity"]["nodeAffinity"] = json!({ "requiredDuringSchedulingIgnoredDuringExecution":
                { "nodeSelectorTerms": [{ "matchFields": [{ "key": "metadata.name", "operator": "In", "values": [NODE] }] }] } });
        } else {
            spec["nodeName"] = node;
        }
        let oom = json!({ "terminated": { "exitCode": 137, "reason": "OOMKilled", "message": self.text("killed") } });
        let statuses = match state {
            Value::Null => json!([]),
            state => {
                json!([{ "name": container, "image": "agent:1", "ready": false, "restartCount": 7, "state": state, "lastState": oom }])
            }
        };
        let status = json!({ "phase": phase, "conditions": conditions, "containerStatuses": statuses });
        self.put("Pod", "v1", json!({ "metadata": metadata, "spec": spec, "status": status }));
    }
}
