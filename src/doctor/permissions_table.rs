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

/// The commands with their permissions.
pub(super) const COMMANDS: [CommandRules; 5] = [
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
        ],
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
    },
];

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
