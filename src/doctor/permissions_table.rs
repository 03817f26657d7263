//! The permissions of each command: those of `docs/rbac`, and which of them a command can do without. A test compares
//! them.

use super::command_rules::{CommandRules, Necessity, Rule};

const fn rule(
    group: &'static str,
    resources: &'static [&'static str],
    verbs: &'static [&'static str],
    necessity: Necessity,
) -> Rule {
    Rule { group, resources, verbs, necessity }
}

const LIST: &[&str] = &["list"];
const WATCH: &[&str] = &["watch"];
const LIST_AND_WATCH: &[&str] = &["list", "watch"];
const PARTIAL: &[&str] = &["nodes", "pods", "events"];

/// The rules for what decides about a new pod.
const OF_NEW_PODS: [Rule; 5] = [
    rule(
        "",
        &[
            "namespaces",
            "limitranges",
            "resourcequotas",
            "serviceaccounts",
            "persistentvolumeclaims",
            "persistentvolumes",
        ],
        LIST,
        Necessity::Partial,
    ),
    rule("scheduling.k8s.io", &["priorityclasses"], LIST, Necessity::Partial),
    rule("node.k8s.io", &["runtimeclasses"], LIST, Necessity::Partial),
    rule(
        "storage.k8s.io",
        &["storageclasses", "csinodes", "csidrivers", "csistoragecapacities", "volumeattachments"],
        LIST,
        Necessity::Partial,
    ),
    rule(
        "resource.k8s.io",
        &["resourceclaims", "resourceclaimtemplates", "resourceslices", "deviceclasses"],
        LIST,
        Necessity::Partial,
    ),
];

/// The commands with their permissions.
pub(super) const COMMANDS: [CommandRules; 6] = [
    CommandRules {
        name: "coverage",
        role: "docs/rbac/coverage.yaml",
        rules: &[
            rule("apps", &["daemonsets"], LIST, Necessity::Required),
            rule("", PARTIAL, LIST, Necessity::Partial),
            rule("apps", &["controllerrevisions"], LIST, Necessity::Partial),
            rule("", PARTIAL, WATCH, Necessity::With("--watch")),
            rule("apps", &["daemonsets", "controllerrevisions"], WATCH, Necessity::With("--watch")),
        ],
        of_new_pods: false,
    },
    CommandRules {
        name: "why-not",
        role: "docs/rbac/why-not.yaml",
        rules: &[
            rule("", &["nodes"], &["get"], Necessity::Required),
            rule("apps", &["daemonsets"], LIST, Necessity::Required),
            rule("", PARTIAL, LIST, Necessity::Partial),
            rule("", &["pods/log"], &["get"], Necessity::Partial),
            rule("apps", &["controllerrevisions"], LIST, Necessity::Partial),
        ],
        of_new_pods: true,
    },
    CommandRules {
        name: "plan",
        role: "docs/rbac/plan.yaml",
        rules: &[
            rule("apps", &["daemonsets"], LIST, Necessity::Required),
            rule("", &["nodes", "pods"], LIST, Necessity::Partial),
            rule("apps", &["controllerrevisions"], LIST, Necessity::Partial),
            // As dry runs.
            rule("apps", &["daemonsets"], &["get", "create", "patch"], Necessity::Partial),
            rule("", &["pods"], &["create"], Necessity::Partial),
            rule("", &["namespaces"], &["get"], Necessity::Partial),
        ],
        of_new_pods: true,
    },
    CommandRules {
        name: "rollout",
        role: "docs/rbac/rollout.yaml",
        rules: &[
            rule("apps", &["daemonsets"], LIST, Necessity::Required),
            rule("", PARTIAL, LIST, Necessity::Partial),
            rule("apps", &["controllerrevisions"], LIST, Necessity::Partial),
            rule("", PARTIAL, WATCH, Necessity::With("rollout watch")),
            rule("apps", &["daemonsets", "controllerrevisions"], WATCH, Necessity::With("rollout watch")),
            rule("coordination.k8s.io", &["leases"], &["get", "list"], Necessity::Partial),
        ],
        of_new_pods: false,
    },
    CommandRules {
        name: "rollout pause, resume, undo",
        role: "docs/rbac/rollout-change.yaml",
        rules: &[
            rule("apps", &["daemonsets"], &["list", "get", "patch"], Necessity::Required),
            rule("", &["nodes", "pods"], LIST, Necessity::Partial),
            rule("apps", &["controllerrevisions"], LIST, Necessity::With("rollout undo")),
            rule(
                "coordination.k8s.io",
                &["leases"],
                &["get", "create", "update", "delete"],
                Necessity::Without("--no-lock"),
            ),
        ],
        of_new_pods: false,
    },
    CommandRules {
        name: "cycle",
        role: "docs/rbac/cycle.yaml",
        rules: &[
            rule("", &["nodes", "pods"], LIST_AND_WATCH, Necessity::Required),
            rule("apps", &["daemonsets", "controllerrevisions"], LIST_AND_WATCH, Necessity::Required),
            rule("", &["events"], LIST_AND_WATCH, Necessity::Partial),
            rule("", &["pods"], &["delete"], Necessity::Without("--evict")),
            rule("", &["pods/eviction"], &["create"], Necessity::With("--evict")),
            rule("policy", &["poddisruptionbudgets"], LIST, Necessity::With("--evict")),
            rule(
                "coordination.k8s.io",
                &["leases"],
                &["get", "create", "update", "delete"],
                Necessity::Without("--no-lock"),
            ),
            rule("", &["nodes"], &["get", "patch"], Necessity::With("--cordon")),
        ],
        of_new_pods: false,
    },
];

impl CommandRules {
    pub(super) fn all_rules(&self) -> impl Iterator<Item = &'static Rule> {
        let of_new_pods: &[Rule] = if self.of_new_pods { &OF_NEW_PODS } else { &[] };
        self.rules.iter().chain(of_new_pods)
    }
}

/// The cluster-scoped resources of the table.
pub(super) const CLUSTER_SCOPED: [&str; 11] = [
    "nodes",
    "namespaces",
    "persistentvolumes",
    "priorityclasses",
    "runtimeclasses",
    "storageclasses",
    "csinodes",
    "csidrivers",
    "volumeattachments",
    "resourceslices",
    "deviceclasses",
];
