#![allow(clippy::unwrap_used, clippy::panic)]

use serde_json::json;

use super::*;
use crate::cluster::access::AccessOptions;
use crate::testing::http_server::{Answer, JSON, Seen, TestServer};

fn manifest(namespace: Option<&str>, name: &str) -> Manifest {
    let mut value = json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": { "name": name },
        "spec": { "selector": {}, "template": { "spec": { "containers": [{ "name": "c", "image": "i" }] } } },
    });
    if let Some(namespace) = namespace {
        value["metadata"]["namespace"] = json!(namespace);
    }
    Manifest { value, place: format!("f.yaml (document {name})") }
}

fn stored(name: &str) -> Value {
    let mut value = manifest(Some("ns"), name).value;
    value["metadata"]["uid"] = json!("u-1");
    value
}

async fn dry_run(
    server: &TestServer,
    options: &ApplyOptions,
    manifests: &[Manifest],
    new_namespaces: &[&str],
) -> Result<AppliedDaemonSets, Error> {
    let new = new_namespaces.iter().map(|name| (*name).to_owned()).collect();
    dry_run_daemon_sets(&server.access().await, options, manifests, &new).await
}

fn query(seen: &Seen) -> Vec<&str> {
    seen.target.split_once('?').unwrap().1.split('&').collect()
}

/// Requests that would change something.
fn writes(server: &TestServer) -> Vec<Seen> {
    server.seen().into_iter().filter(|seen| seen.method != "GET").collect()
}

#[tokio::test]
async fn every_write_is_a_dry_run() {
    let server = TestServer::start(|_, seen| match (seen.method.as_str(), seen.target.contains("/pods")) {
        ("GET", _) if seen.target.ends_with("/new") => Answer::rejection(404, "not found"),
        (_, true) => Answer::ok(JSON, json!({ "metadata": { "name": "p" }, "spec": { "containers": [] } }).to_string()),
        _ => Answer::ok(JSON, stored("a").to_string()),
    })
    .await;
    let server_side = ApplyOptions { server_side: true, force_conflicts: true, ..ApplyOptions::default() };
    for options in [ApplyOptions::default(), server_side] {
        for name in ["a", "new"] {
            dry_run(&server, &options, &[manifest(Some("ns"), name)], &[]).await.unwrap();
        }
    }
    dry_run_pod(&server.access().await, "ns", &json!({})).await.unwrap();
    let writes = writes(&server);
    let methods: Vec<&str> = writes.iter().map(|seen| seen.method.as_str()).collect();
    assert_eq!(methods, ["PATCH", "POST", "PATCH", "PATCH", "POST"]);
    for write in &writes {
        assert!(query(write).contains(&"dryRun=All"), "{}", write.target);
    }
}

#[tokio::test]
async fn client_side_apply_sends_the_patch_of_the_three_way_merge() {
    let server = TestServer::start(|_, seen| {
        let mut live = stored("a");
        if seen.method == "GET" {
            live["spec"]["minReadySeconds"] = json!(5);
            let last = json!({ "spec": { "minReadySeconds": 5 } }).to_string();
            live["metadata"]["annotations"] = json!({ manifest::LAST_APPLIED: last });
        }
        Answer::ok(JSON, live.to_string())
    })
    .await;
    let applied = dry_run(&server, &ApplyOptions::default(), &[manifest(None, "a")], &[]).await.unwrap();
    assert_eq!(applied.method, Some(ApplyMethod::ClientSideApply));
    assert_eq!(applied.daemon_sets[0].metadata.uid.as_deref(), Some("u-1"));
    let [patch] = writes(&server).try_into().unwrap();
    assert_eq!(patch.target.split('?').next().unwrap(), "/apis/apps/v1/namespaces/default/daemonsets/a");
    assert_eq!(query(&patch), ["fieldManager=kubectl-client-side-apply", "dryRun=All", "fieldValidation=Strict"]);
    assert_eq!(patch.header("content-type"), Some(STRATEGIC_PATCH));
    let body: Value = serde_json::from_slice(&patch.body).unwrap();
    assert_eq!(body["spec"], json!({ "minReadySeconds": null }));
}

#[tokio::test]
async fn server_side_apply_sends_the_manifest() {
    let server = TestServer::start(|_, _| Answer::ok(JSON, stored("a").to_string())).await;
    let manager = |force_conflicts, field_manager: Option<&str>| ApplyOptions {
        server_side: true,
        force_conflicts,
        field_manager: field_manager.map(str::to_owned),
        ..ApplyOptions::default()
    };
    let one = [manifest(Some("ns"), "a")];
    let applied = dry_run(&server, &manager(false, None), &one, &[]).await.unwrap();
    assert_eq!(applied.method, Some(ApplyMethod::ServerSideApply));
    dry_run(&server, &manager(true, Some("a&b=c")), &one, &[]).await.unwrap();
    let [first, second] = server.seen().try_into().unwrap();
    assert_eq!(query(&first), ["fieldManager=kubectl", "force=false", "dryRun=All", "fieldValidation=Strict"]);
    assert_eq!(query(&second)[..2], ["fieldManager=a%26b%3Dc", "force=true"]);
    assert_eq!((first.method.as_str(), first.header("content-type")), ("PATCH", Some(APPLY_PATCH)));
    assert_eq!(serde_json::from_slice::<Value>(&first.body).unwrap(), one[0].value);
}

#[tokio::test]
async fn rejected_manifest_is_reported_in_the_words_of_the_server() {
    let ask = async |code, message: &'static str| {
        let server = TestServer::start(move |_, seen| match seen.method.as_str() {
            "GET" => Answer::rejection(404, "not found"),
            _ => Answer::rejection(code, message),
        })
        .await;
        dry_run(&server, &ApplyOptions::default(), &[manifest(Some("ns"), "a")], &[]).await.unwrap_err()
    };
    for (code, message) in [(422, "spec: Invalid value"), (404, "namespaces \"ns\" not found"), (403, "denied: no")] {
        let error = ask(code, message).await;
        assert!(matches!(error, Error::RejectedManifest { .. }), "{error:?}");
        assert_eq!(error.to_string(), format!("cannot apply f.yaml (document a): {message}"));
    }
    let error = ask(403, "User \"eve\" cannot create resource \"daemonsets\"").await;
    assert!(matches!(error, Error::Forbidden { verb: "create", .. }), "{error:?}");
    assert!(matches!(ask(401, "who").await, Error::Unauthorized { .. }));
    // A manifest that does not fit the schema is an internal error of server-side apply, in several lines.
    let error = ask(500, "failed: errors:\n  .spec.foo: field not declared in schema").await;
    assert_eq!(
        error.to_string(),
        "cannot apply f.yaml (document a): failed: errors: .spec.foo: field not declared in schema"
    );
    assert!(matches!(ask(503, "busy").await, Error::Api { code: 503, .. }));
}

#[tokio::test]
async fn namespace_of_another_flag_is_an_error() {
    let server = TestServer::start(|_, _| Answer::ok(JSON, stored("a").to_string())).await;
    let access = AccessOptions { namespace: Some("other".into()), ..AccessOptions::default() };
    let options = ApplyOptions { access, ..ApplyOptions::default() };
    let error = dry_run(&server, &options, &[manifest(Some("ns"), "a")], &[]).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "f.yaml (document a): the namespace from the provided object \"ns\" does not match the namespace \"other\""
    );
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn daemon_set_in_a_new_namespace_gets_own_defaults() {
    let server = TestServer::start(|_, seen| match seen.target.as_str() {
        "/api/v1/namespaces/new" => Answer::rejection(404, "not found"),
        "/api/v1/namespaces/secret" => Answer::rejection(403, "no"),
        _ => Answer::ok(JSON, stored("b").to_string()),
    })
    .await;
    let manifests = [manifest(Some("new"), "a"), manifest(Some("secret"), "b")];
    let applied = dry_run(&server, &ApplyOptions::default(), &manifests, &["new", "secret", "unused"]).await.unwrap();
    let names: Vec<_> = applied.daemon_sets.iter().map(|one| one.metadata.name.as_deref().unwrap()).collect();
    assert_eq!(names, ["a", "b"]);
    let spec = applied.daemon_sets[0].spec.template.spec.as_ref().unwrap();
    assert_eq!(spec.dns_policy.as_deref(), Some("ClusterFirst"));
    assert_eq!(applied.assumptions.len(), 1);
    assert!(applied.assumptions[0].starts_with("namespace new does not exist yet: "));
    assert!(server.seen().iter().all(|seen| !seen.target.contains("/unused") && !seen.target.contains("/new/")));
}

#[tokio::test]
async fn dry_run_of_a_pod_has_three_answers() {
    let ask = async |code, message: &'static str| {
        let server = TestServer::start(move |_, _| Answer::rejection(code, message)).await;
        dry_run_pod(&server.access().await, "ns", &json!({})).await
    };
    const NO_PERMISSION: &str = "pods is forbidden: User \"eve\" cannot create resource \"pods\" in API group \"\"";
    const QUOTA: &str = "pods \"a-\" is forbidden: exceeded quota: q, requested: pods=1, used: pods=5, limited: pods=5";
    assert_eq!(ask(403, NO_PERMISSION).await.unwrap(), DryRunPod::Forbidden(NO_PERMISSION.into()));
    assert_eq!(ask(403, QUOTA).await.unwrap(), DryRunPod::Rejected(QUOTA.into()));
    assert_eq!(ask(422, "invalid").await.unwrap(), DryRunPod::Rejected("invalid".into()));
    assert_eq!(ask(500, "failed calling webhook").await.unwrap(), DryRunPod::Rejected("failed calling webhook".into()));
    assert!(matches!(ask(503, "busy").await, Err(Error::Api { code: 503, .. })));
    assert!(matches!(ask(401, "who").await, Err(Error::Unauthorized { .. })));
}

#[cfg(unix)]
mod with_kubectl {
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use std::time::Duration;

    use tempfile::TempDir;

    use super::*;

    /// A program that takes the place of kubectl. It writes its arguments and its input to files.
    fn kubectl(folder: &Path, script: &str) -> ApplyOptions {
        let program = folder.join("kubectl");
        let text =
            format!("#!/bin/sh\ncd '{}'\nprintf '%s\\n' \"$@\" > arguments\ncat > input\n{script}\n", folder.display());
        std::fs::write(&program, text).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        ApplyOptions { kubectl: Some(program), ..ApplyOptions::default() }
    }

    fn printing(folder: &Path, objects: &Value) -> ApplyOptions {
        std::fs::write(folder.join("output"), objects.to_string()).unwrap();
        kubectl(folder, "cat output")
    }

    async fn run(options: &ApplyOptions, names: &[&str]) -> Result<AppliedDaemonSets, Error> {
        let server = TestServer::start(|_, _| Answer::ok(JSON, stored("of-the-server").to_string())).await;
        let manifests: Vec<Manifest> = names.iter().map(|name| manifest(Some("ns"), name)).collect();
        let applied = dry_run(&server, options, &manifests, &[]).await;
        let is_kubectl = applied.as_ref().is_ok_and(|applied| applied.method == Some(ApplyMethod::Kubectl));
        assert!(!is_kubectl || server.seen().is_empty(), "kubectl sends the requests");
        applied
    }

    #[tokio::test]
    async fn kubectl_gets_the_manifests_and_the_flags() {
        let folder = TempDir::new().unwrap();
        let both = json!({ "kind": "List", "items": [stored("b"), stored("a")] });
        let mut options = printing(folder.path(), &both);
        options.server_side = true;
        options.force_conflicts = true;
        options.field_manager = Some("me".into());
        options.access = AccessOptions {
            kubeconfig: Some("/k".into()),
            context: Some("c".into()),
            as_group: vec!["g".into(), "h".into()],
            request_timeout: Some(Duration::from_millis(1500)),
            insecure_skip_tls_verify: true,
            namespace: Some("ns".into()),
            user: Some(String::new()),
            ..AccessOptions::default()
        };
        let applied = run(&options, &["a", "b"]).await.unwrap();
        assert_eq!(applied.method, Some(ApplyMethod::Kubectl));
        let names: Vec<_> = applied.daemon_sets.iter().map(|one| one.metadata.name.as_deref().unwrap()).collect();
        assert_eq!(names, ["a", "b"], "in the order of the manifests");
        let arguments = std::fs::read_to_string(folder.path().join("arguments")).unwrap();
        let expected = [
            "apply",
            "--dry-run=server",
            "--output=json",
            "--filename=-",
            "--kubeconfig=/k",
            "--context=c",
            "--namespace=ns",
            "--as-group=g",
            "--as-group=h",
            "--insecure-skip-tls-verify=true",
            "--request-timeout=1500ms",
            "--server-side",
            "--force-conflicts",
            "--field-manager=me",
        ];
        assert_eq!(arguments.lines().collect::<Vec<_>>(), expected);
        let input: Value = serde_json::from_slice(&std::fs::read(folder.path().join("input")).unwrap()).unwrap();
        assert_eq!(input["items"], json!([manifest(Some("ns"), "a").value, manifest(Some("ns"), "b").value]));
    }

    #[tokio::test]
    async fn message_of_kubectl_is_reported_without_warnings() {
        let folder = TempDir::new().unwrap();
        let options = kubectl(
            folder.path(),
            "echo 'Warning: old' >&2; echo 'The DaemonSet \"a\" is invalid:' >&2; echo '* spec.x: no' >&2; exit 1",
        );
        let error = run(&options, &["a"]).await.unwrap_err();
        assert_eq!(error.to_string(), "cannot apply f.yaml (document a): The DaemonSet \"a\" is invalid: * spec.x: no");
        let error = run(&kubectl(folder.path(), "exit 3"), &["a", "b"]).await.unwrap_err().to_string();
        assert!(error.starts_with("cannot apply 2 DaemonSets: no message from kubectl: "), "{error}");
    }

    #[tokio::test]
    async fn output_without_the_object_is_an_error() {
        let folder = TempDir::new().unwrap();
        for (output, part) in
            [(json!("x"), "is missing"), (stored("other"), "is missing"), (json!({ "items": [] }), "is missing")]
        {
            let error = run(&printing(folder.path(), &output), &["a"]).await.unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        let error = run(&kubectl(folder.path(), "echo '{'"), &["a"]).await.unwrap_err().to_string();
        assert!(error.contains("cannot read the output of kubectl"), "{error}");
        let error = run(&kubectl(folder.path(), "exec yes"), &["a"]).await.unwrap_err().to_string();
        assert!(error.contains("longer than 64 MiB"), "{error}");
    }

    #[tokio::test]
    async fn token_is_not_passed_to_kubectl() {
        let folder = TempDir::new().unwrap();
        let mut options = printing(folder.path(), &stored("a"));
        options.access.token = Some("secret".into());
        assert_eq!(run(&options, &["a"]).await.unwrap().method, Some(ApplyMethod::ClientSideApply));
        assert!(!folder.path().join("arguments").exists());
        let missing = ApplyOptions { kubectl: Some(folder.path().join("none")), ..ApplyOptions::default() };
        assert_eq!(run(&missing, &["a"]).await.unwrap().method, Some(ApplyMethod::ClientSideApply));
    }
}
