//! Tables of facts with the expected checks.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::rbac::v1::ClusterRole;
use serde_json::{Value, json};

use super::checks::{Conclusion, checks, conclusion};
use super::clock::{ClockSample, offset_seconds, parse_http_date};
use super::permissions::{Answers, Namespaces, Question, RulesReview, decide, questions};
use super::permissions_table::COMMANDS;
use super::*;

fn failure(kind: FailureKind) -> Failure {
    Failure { message: "failed".into(), hint: "do something".into(), kind }
}

fn answers(answer: impl Fn(&Question) -> Option<bool>) -> Answers {
    let allowed = questions(Namespaces::Selected).into_iter().map(|question| (question, answer(&question)));
    Answers { namespaces: Namespaces::Selected, allowed: allowed.collect() }
}

fn sample(server: &str, before: &str, after: &str) -> ClockSample {
    let time = |text: &str| format!("2026-11-20T12:{text}Z").parse().unwrap();
    ClockSample { server: time(server), before: time(before), after: time(after) }
}

fn healthy() -> Facts {
    Facts {
        configuration: Ok(Configuration {
            context: Some("c".into()),
            server: "https://h".into(),
            namespace: Some("default".into()),
        }),
        server: Some(Ok(Server {
            version: "v1.36.3".into(),
            minor: Some((1, 36)),
            clock: Some(sample("00:00", "00:00.4", "00:00.6")),
        })),
        session: Some(Session { user: Ok(Some("jane".into())), answers: answers(|_| Some(true)), metrics: Ok(true) }),
        programs: Programs { completion: Some(true), kubectl: true, plugin: true },
    }
}

/// The status of each check: `P`ass, `N`ote, `W`arning, `F`ail, `U`nknown.
fn statuses(facts: &Facts) -> (String, Conclusion) {
    let checks = checks(facts);
    let letters = checks.iter().map(|check| format!("{:?}", check.status).remove(0)).collect();
    (letters, conclusion(facts, &checks))
}

type Change<'c> = &'c dyn Fn(&mut Facts);

#[test]
fn facts_give_statuses_and_a_conclusion() {
    // Kubeconfig, API server, version, clock, credentials, coverage, why-not, rollout, cycle, metrics, plugin, completion.
    let cases: [(&str, Change<'_>, &str, Conclusion); 11] = [
        ("healthy", &|_| {}, "PPPPPPPPPPPPPP", Conclusion::Works),
        (
            "no kubeconfig",
            &|facts| {
                facts.configuration = Err(failure(FailureKind::Unreachable));
                (facts.server, facts.session) = (None, None);
            },
            "FPP",
            Conclusion::Unreachable,
        ),
        (
            "no response",
            &|facts| {
                facts.server = Some(Err(failure(FailureKind::Unreachable)));
                facts.session = None;
            },
            "PFPP",
            Conclusion::Unreachable,
        ),
        (
            "rejected credentials",
            &|facts| {
                facts.server = Some(Err(failure(FailureKind::Unauthorized)));
                facts.session = None;
            },
            "PPFPP",
            Conclusion::Fails,
        ),
        ("old server", &|facts| server(facts).minor = Some((1, 21)), "PPFPPPPPPPPPPP", Conclusion::Fails),
        ("newer server", &|facts| server(facts).minor = Some((1, 38)), "PPWPPPPPPPPPPP", Conclusion::Works),
        ("version unknown", &|facts| server(facts).minor = None, "PPUPPPPPPPPPPP", Conclusion::Works),
        (
            "clock behind",
            &|facts| server(facts).clock = Some(sample("00:09", "00:00", "00:01")),
            "PPPWPPPPPPPPPP",
            Conclusion::Works,
        ),
        ("no Date header", &|facts| server(facts).clock = None, "PPPUPPPPPPPPPP", Conclusion::Works),
        (
            "no permissions",
            &|facts| session(facts).answers = answers(|_| Some(false)),
            "PPPPPFFFFFFPPP",
            Conclusion::Fails,
        ),
        (
            "little is known",
            &|facts| {
                let session = session(facts);
                session.user = Ok(None);
                session.answers = answers(|_| None);
                session.metrics = Ok(false);
                facts.programs = Programs { completion: Some(false), ..Programs::default() };
            },
            "PPPPUUUUUUUNNN",
            Conclusion::Works,
        ),
    ];
    for (name, change, expected, conclusion) in cases {
        let mut facts = healthy();
        change(&mut facts);
        assert_eq!(statuses(&facts), (expected.into(), conclusion), "{name}");
    }
}

fn server(facts: &mut Facts) -> &mut Server {
    facts.server.as_mut().unwrap().as_mut().unwrap()
}

fn session(facts: &mut Facts) -> &mut Session {
    facts.session.as_mut().unwrap()
}

/// The status of each command without the permissions that `is_missing` selects.
fn command_statuses(is_missing: impl Fn(&str, &str) -> bool) -> BTreeMap<&'static str, CheckStatus> {
    let answers = answers(|question| Some(!is_missing(question.permission.verb, question.permission.resource)));
    permissions::evaluate(&answers).into_iter().map(|command| (command.command, command.status())).collect()
}

#[test]
fn missing_permission_fails_only_the_commands_that_need_it() {
    use CheckStatus::{Fail, Pass, Warning};
    type Missing = fn(&str, &str) -> bool;
    // coverage, cycle, plan, rollout, rollout pause, resume, undo, why-not.
    let cases: [(&str, Missing, [CheckStatus; 6]); 9] = [
        ("list daemonsets", |verb, resource| (verb, resource) == ("list", "daemonsets"), [Fail; 6]),
        (
            "list nodes",
            |verb, resource| (verb, resource) == ("list", "nodes"),
            [Warning, Fail, Warning, Warning, Warning, Warning],
        ),
        ("get nodes", |verb, resource| (verb, resource) == ("get", "nodes"), [Pass, Warning, Pass, Pass, Pass, Fail]),
        (
            "patch daemonsets",
            |verb, resource| (verb, resource) == ("patch", "daemonsets"),
            [Pass, Pass, Warning, Pass, Fail, Pass],
        ),
        (
            "list events",
            |verb, resource| (verb, resource) == ("list", "events"),
            [Warning, Warning, Pass, Warning, Pass, Warning],
        ),
        ("watch", |verb, _| verb == "watch", [Warning, Fail, Pass, Warning, Pass, Pass]),
        ("leases", |_, resource| resource == "leases", [Pass, Warning, Pass, Warning, Warning, Pass]),
        (
            "delete pods",
            |verb, resource| (verb, resource) == ("delete", "pods"),
            [Pass, Warning, Pass, Pass, Pass, Pass],
        ),
        (
            "delete and evict pods",
            |verb, resource| (verb, resource) == ("delete", "pods") || resource == "pods/eviction",
            [Pass, Fail, Pass, Pass, Pass, Pass],
        ),
    ];
    for (name, is_missing, expected) in cases {
        let statuses: Vec<CheckStatus> = command_statuses(is_missing).into_values().collect();
        assert_eq!(statuses, expected, "without {name}");
    }
}

#[test]
fn table_equals_the_cluster_roles() {
    const ROLES: [(&str, &str); 6] = [
        ("docs/rbac/coverage.yaml", include_str!("../../docs/rbac/coverage.yaml")),
        ("docs/rbac/why-not.yaml", include_str!("../../docs/rbac/why-not.yaml")),
        ("docs/rbac/plan.yaml", include_str!("../../docs/rbac/plan.yaml")),
        ("docs/rbac/rollout.yaml", include_str!("../../docs/rbac/rollout.yaml")),
        ("docs/rbac/rollout-change.yaml", include_str!("../../docs/rbac/rollout-change.yaml")),
        ("docs/rbac/cycle.yaml", include_str!("../../docs/rbac/cycle.yaml")),
    ];
    for (command, (file, text)) in COMMANDS.iter().zip(ROLES) {
        assert_eq!(command.role, file);
        let role: ClusterRole = serde_saphyr::from_str(text).unwrap();
        let mut granted = BTreeSet::new();
        for rule in role.rules.unwrap() {
            for group in rule.api_groups.iter().flatten() {
                for resource in rule.resources.iter().flatten() {
                    granted.extend(rule.verbs.iter().map(|verb| (group.clone(), resource.clone(), verb.clone())));
                }
            }
        }
        let mut needed = BTreeSet::new();
        for rule in command.all_rules() {
            for resource in rule.resources {
                let own = |verb: &&str| (rule.group.to_owned(), (*resource).to_owned(), (*verb).to_owned());
                needed.extend(rule.verbs.iter().map(own));
            }
        }
        assert_eq!(needed, granted, "{file}");
    }
}

fn review(rules: &Value, incomplete: bool) -> RulesReview {
    serde_json::from_value(json!({ "resourceRules": rules, "nonResourceRules": [], "incomplete": incomplete })).unwrap()
}

fn question(verb: &str, resource: &str) -> Question {
    let is_it = |question: &Question| question.permission.verb == verb && question.permission.resource == resource;
    let found = questions(Namespaces::Selected).into_iter().find(|question| is_it(question));
    found.unwrap_or_else(|| panic!("no command needs {verb} {resource}"))
}

#[test]
fn review_decides_what_it_can() {
    let daemon_sets = json!([{ "verbs": ["list"], "apiGroups": ["apps"], "resources": ["daemonsets"] }]);
    let everything = json!([{ "verbs": ["*"], "apiGroups": ["*"], "resources": ["*"] }]);
    let evictions = json!([{ "verbs": ["create"], "apiGroups": [""], "resources": ["*/eviction"] }]);
    let named =
        json!([{ "verbs": ["list"], "apiGroups": ["apps"], "resources": ["daemonsets"], "resourceNames": ["a"] }]);
    let of_node = json!([{ "verbs": ["get"], "nonResourceURLs": ["/version"] }]);
    let list = question("list", "daemonsets");
    let cases = [
        (&daemon_sets, false, list, Some(true)),
        (&daemon_sets, true, list, Some(true)),
        (&daemon_sets, false, question("watch", "daemonsets"), Some(false)),
        (&daemon_sets, true, question("watch", "daemonsets"), None),
        (&everything, false, list, Some(true)),
        // A RoleBinding may grant the rule for nodes without effect.
        (&everything, false, question("get", "nodes"), None),
        (&daemon_sets, false, question("get", "nodes"), Some(false)),
        (&evictions, false, question("create", "pods/eviction"), Some(true)),
        (&named, false, list, Some(false)),
        (&of_node, false, list, Some(false)),
    ];
    for (rules, incomplete, question, expected) in cases {
        assert_eq!(decide(Some(&review(rules, incomplete)), question), expected, "{rules} {incomplete} {question:?}");
    }
    assert_eq!(decide(None, list), None);
}

#[test]
fn all_namespaces_and_cluster_scoped_kinds_are_asked_for_the_cluster() {
    assert!(questions(Namespaces::All).iter().all(|question| question.in_cluster));
    let selected = questions(Namespaces::Selected);
    let of = |resource: &str| -> BTreeSet<bool> {
        let found = selected.iter().filter(|question| question.permission.resource == resource);
        found.map(|question| question.in_cluster).collect()
    };
    assert_eq!(of("nodes"), BTreeSet::from([true]));
    assert_eq!(of("daemonsets"), BTreeSet::from([false]));
    // why-not lists the pods of a node in all namespaces.
    assert_eq!(of("pods"), BTreeSet::from([false, true]));
}

#[test]
fn offset_is_the_smallest_that_explains_the_header() {
    for (server, before, after, expected) in [
        ("00:10", "00:10.2", "00:10.9", 0),
        ("00:11", "00:10.2", "00:11.1", 0),
        ("00:10", "00:09", "00:30", 0),
        ("00:20", "00:10.2", "00:10.9", 10),
        ("00:20", "00:10.2", "00:15.9", 5),
        ("00:10", "00:20.2", "00:20.9", -10),
        ("00:10", "05:10.2", "05:10.9", -300),
    ] {
        assert_eq!(offset_seconds(&sample(server, before, after)), expected, "{server} {before} {after}");
    }
}

#[test]
fn date_header_is_parsed_strictly() {
    let time = parse_http_date("Sat, 28 Nov 2026 04:07:55 GMT").unwrap();
    assert_eq!(time.to_string(), "2026-11-28T04:07:55Z");
    for text in ["", "Sat, 28 Nov 2026 04:07:55", "Sat, 28 Now 2026 04:07:55 GMT", "0"] {
        assert_eq!(parse_http_date(text), None, "{text}");
    }
}
