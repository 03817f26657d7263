#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;
use crate::cli::tree;

fn at(line: &str) -> Unfinished {
    let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    unfinished(tree(), &words)
}

fn candidates(line: &str) -> Vec<String> {
    match at(line).wanted {
        Completions::Words(all) => all.into_iter().map(|candidate| candidate.word).collect(),
        other => panic!("{line:?}: {other:?}"),
    }
}

#[test]
fn commands_have_descriptions() {
    let Completions::Words(all) = at("").wanted else { panic!() };
    let coverage = all.iter().find(|candidate| candidate.word == "coverage").unwrap();
    assert!(coverage.meaning.starts_with("Show which nodes run, miss"));
    assert_eq!(candidates("rollout "), ["watch", "status", "pause", "resume", "undo", "history", "help"]);
    assert_eq!(candidates("-n x --color=never rollout "), candidates("rollout "));
}

#[test]
fn flags_include_command_flags_and_global_flags() {
    let flags = candidates("coverage --");
    for flag in ["--by", "--output", "--namespace", "--as-group", "--help"] {
        assert!(flags.contains(&flag.to_owned()), "{flag}");
    }
    assert!(!candidates("why-not --").contains(&"--by".to_owned()));
}

#[test]
fn values_come_from_their_source() {
    let daemon_sets = Completions::Names(Names::DaemonSets { everywhere: false });
    let everywhere = Completions::Names(Names::DaemonSets { everywhere: true });
    for (line, expected) in [
        ("coverage ", &daemon_sets),
        ("coverage a b ", &daemon_sets),
        ("coverage -Aw -n x -- ", &daemon_sets),
        ("rollout history ", &daemon_sets),
        ("logs ", &daemon_sets),
        ("logs -n x -f ds/", &daemon_sets),
        ("logs x ", &Completions::Names(Names::Nodes)),
        ("logs ds x node-1 ", &Completions::Names(Names::Nodes)),
        ("exec ", &daemon_sets),
        ("exec x ", &Completions::Names(Names::Nodes)),
        ("exec x node-1 -- ", &Completions::Anything),
        ("why-not ", &Completions::Names(Names::Nodes)),
        ("why-not -n x ", &Completions::Names(Names::Nodes)),
        ("why-not node-1 ", &everywhere),
        ("why-not --node-file f ", &everywhere),
        ("coverage -n ", &Completions::Names(Names::Namespaces)),
        ("--namespace=", &Completions::Names(Names::Namespaces)),
        ("coverage --by top", &Completions::Names(Names::NodeLabels)),
        ("version --context ", &Completions::Names(Names::Contexts)),
        ("version --cluster ", &Completions::Names(Names::Clusters)),
        ("version --user ", &Completions::Names(Names::Users)),
        ("coverage --from ", &Completions::Files),
        ("coverage --kubeconfig=x/", &Completions::Files),
        ("coverage --min ", &Completions::Anything),
        ("coverage --nowhere=", &Completions::Anything),
        // These flags take a value only after an equals sign.
        ("coverage -A ", &daemon_sets),
        ("coverage --watch ", &daemon_sets),
    ] {
        assert_eq!(&at(line).wanted, expected, "{line:?}");
    }
    assert_eq!(candidates("rollout history a "), [""; 0], "history takes one name");
}

#[test]
fn values_of_an_enum_are_words() {
    let documents = ["json", "yaml", "kyaml", "jsonpath", "jsonpath-as-json", "jsonpath-file"];
    assert_eq!(candidates("version -o "), documents);
    assert_eq!(candidates("rollout watch -o "), [&["wide"][..], &documents].concat());
    assert!(candidates("coverage -o ").contains(&"custom-columns-file".to_owned()));
    assert_eq!(candidates("coverage -o "), candidates("coverage -wo "));
    assert_eq!(candidates("--color="), ["auto", "always", "never"]);
    assert!(candidates("coverage --only ").contains(&"NotReady".to_owned()));
}

#[test]
fn common_prefix_of_candidates_is_kept() {
    for (line, typed, kept) in [
        ("coverage ds/kube", "ds/kube", "ds/"),
        ("coverage pod/kube", "pod/kube", ""),
        ("why-not node/a", "node/a", "node/"),
        ("coverage --only Missing,Not", "Missing,Not", "Missing,"),
        ("coverage --only=Missing,Not", "Missing,Not", "Missing,"),
        ("version --context arn:aws:eks/x", "arn:aws:eks/x", ""),
    ] {
        let unfinished = at(line);
        assert_eq!((unfinished.typed.as_str(), &unfinished.typed[..unfinished.kept]), (typed, kept), "{line}");
    }
}

#[test]
fn global_flags_select_the_cluster() {
    let global =
        at("-n=a coverage --context c --as=me --as-group g --as-group h -nb -A --kubeconfig f x").global.unwrap();
    let access = global.access();
    assert_eq!(access.namespace.as_deref(), Some("b"));
    assert_eq!(access.context.as_deref(), Some("c"));
    assert_eq!((access.as_user.as_deref(), access.as_group.len()), (Some("me"), 2));
    assert_eq!(access.kubeconfig.unwrap().to_str(), Some("f"));
    assert!(global.all_namespaces);
    assert!(at("coverage --request-timeout soon x").global.is_none());
}

#[test]
fn malformed_lines_do_not_panic() {
    for line in
        ["-", "--", "---", "-=", "--=", "-é", "coverage -né ", "é ü", "-- -- -", "help ", "help rollout ", "x y -n"]
    {
        at(line);
    }
    unfinished(tree(), &[]);
}
