#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;

use tempfile::TempDir;

use super::*;

/// Two contexts, `prod` and `stage`; `prod` is the current one.
const TWO: &str = r#"
apiVersion: v1
kind: Config
current-context: prod
contexts:
- {name: prod, context: {cluster: prod-c, user: prod-u, namespace: agents}}
- {name: stage, context: {cluster: stage-c, user: stage-u}}
- {name: torn, context: {cluster: gone, user: gone}}
clusters:
- name: prod-c
  cluster: {server: "https://prod:6443", certificate-authority: ca.crt, tls-server-name: inner, certificate-authority-data: ""}
- name: stage-c
  cluster: {server: "https://stage:6443", certificate-authority: "", certificate-authority-data: QUJD}
users:
- name: prod-u
  user: {token: old, tokenFile: sub/token, client-certificate: c.crt, client-key: c.key, username: u, password: p, exec: {command: ./plugin, apiVersion: v1}}
- name: stage-u
  user: {token: "", client-key: "", as: someone}
"#;

/// Files in a new directory, and an environment that lists them in `KUBECONFIG`.
fn files(contents: &[&str]) -> (TempDir, Environment) {
    let folder = TempDir::new().unwrap();
    let paths: Vec<PathBuf> = (0..contents.len()).map(|number| folder.path().join(format!("{number}.yaml"))).collect();
    for (path, content) in paths.iter().zip(contents) {
        fs::write(path, content).unwrap();
    }
    let kubeconfig = Some(env::join_paths(&paths).unwrap());
    (folder, Environment { kubeconfig, ..Environment::default() })
}

fn two(options: &AccessOptions) -> Result<ResolvedContext, Error> {
    let (_folder, environment) = files(&[TWO]);
    resolve(options, &environment).map(Option::unwrap)
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn server(chosen: &ResolvedContext) -> &str {
    chosen.cluster.server.as_deref().unwrap()
}

/// The message and the hint of the error.
fn complaint(outcome: Result<impl Sized, Error>) -> String {
    let error = outcome.err().unwrap();
    format!("{error} | {}", error.hint())
}

/// The token of the user entry.
fn token(user: &AuthInfo) -> Option<String> {
    serde_json::to_value(user).unwrap()["token"].as_str().map(str::to_owned)
}

#[test]
fn current_context_selects_cluster_user_and_namespace() {
    let chosen = two(&AccessOptions::default()).unwrap();
    assert_eq!(chosen.context.as_deref(), Some("prod"));
    assert_eq!(server(&chosen), "https://prod:6443");
    assert_eq!(chosen.user_name.as_deref(), Some("prod-u"));
    assert_eq!(chosen.namespace, "agents");
    let chosen = two(&AccessOptions { context: some("stage"), ..Default::default() }).unwrap();
    assert_eq!(server(&chosen), "https://stage:6443");
    assert_eq!(chosen.namespace, "default");
    let chosen = two(&AccessOptions { namespace: some("mine"), ..Default::default() }).unwrap();
    assert_eq!(chosen.namespace, "mine");
}

#[test]
fn cluster_and_user_flags_override_the_context() {
    let options = AccessOptions { cluster: some("stage-c"), user: some("stage-u"), ..Default::default() };
    let chosen = two(&options).unwrap();
    assert_eq!(server(&chosen), "https://stage:6443");
    assert_eq!(chosen.user_name.as_deref(), Some("stage-u"));
    assert_eq!(chosen.namespace, "agents");
}

#[test]
fn paths_are_relative_to_their_file() {
    let (folder, environment) = files(&[TWO]);
    let chosen = resolve(&AccessOptions::default(), &environment).unwrap().unwrap();
    let below = |name: &str| Some(folder.path().join(name).to_str().unwrap().to_owned());
    assert_eq!(chosen.cluster.certificate_authority, below("ca.crt"));
    assert_eq!(chosen.user.token_file, below("sub/token"));
    assert_eq!(chosen.user.client_certificate, below("c.crt"));
    assert_eq!(chosen.user.client_key, below("c.key"));
    // As in kubectl, a command is a path if it contains the system's separator.
    let plugin = if cfg!(windows) { Some("./plugin".to_owned()) } else { below("./plugin") };
    assert_eq!(chosen.user.exec.unwrap().command, plugin);
}

#[test]
fn empty_value_counts_as_unset() {
    let chosen = two(&AccessOptions::default()).unwrap();
    assert_eq!(chosen.cluster.certificate_authority_data, None);
    let chosen = two(&AccessOptions { context: some("stage"), ..Default::default() }).unwrap();
    assert_eq!(chosen.cluster.certificate_authority, None);
    assert!(chosen.user.token.is_none());
    assert_eq!(chosen.user.client_key, None);
}

#[test]
fn several_files_are_merged_first_value_wins() {
    let first = "current-context: ''\nclusters: [{name: prod-c, cluster: {server: 'https://mine'}}]";
    let (folder, mut environment) = files(&[first, TWO]);
    let files: Vec<PathBuf> = env::split_paths(&environment.kubeconfig.unwrap()).collect();
    let missing = folder.path().join("missing.yaml");
    let list = [&missing, &files[0], &files[1], &PathBuf::new()];
    let list = env::join_paths(list).unwrap();
    environment.kubeconfig = Some(list);
    let chosen = resolve(&AccessOptions::default(), &environment).unwrap().unwrap();
    assert_eq!(chosen.context.as_deref(), Some("prod"));
    assert_eq!(server(&chosen), "https://mine");
    assert_eq!(chosen.cluster.certificate_authority, None, "the second entry with that name is ignored");
}

#[test]
fn without_kubeconfig_the_home_directory_is_used() {
    let (folder, _) = files(&[]);
    fs::create_dir(folder.path().join(".kube")).unwrap();
    fs::write(folder.path().join(".kube/config"), TWO).unwrap();
    for kubeconfig in [None, Some(OsString::new())] {
        let home = Some(folder.path().to_owned());
        let environment = Environment { kubeconfig, home, ..Environment::default() };
        assert!(resolve(&AccessOptions::default(), &environment).unwrap().is_some());
    }
}

#[test]
fn kubeconfig_flag_is_the_only_file_and_must_exist() {
    let (folder, environment) = files(&[TWO]);
    let other = folder.path().join("other");
    let options = AccessOptions { kubeconfig: Some(other.clone()), ..Default::default() };
    let words = complaint(resolve(&options, &environment));
    assert!(words.contains(other.to_str().unwrap()) && words.contains("no such file"), "{words}");
    fs::write(&other, "clusters: [{name: c, cluster: {server: 'http://other'}}]").unwrap();
    let options = AccessOptions { cluster: some("c"), ..options };
    let chosen = resolve(&options, &environment).unwrap().unwrap();
    assert_eq!(server(&chosen), "http://other");
    assert_eq!(chosen.context, None);
}

#[test]
fn invalid_file_error_names_the_file_and_hides_content() {
    let broken = "users:\n- name: u\n  user: {token: s3cret, exec: [s3cret]}\n";
    let (folder, mut environment) = files(&[broken]);
    environment.in_cluster = true;
    let words = complaint(resolve(&AccessOptions::default(), &environment));
    assert!(words.contains(folder.path().to_str().unwrap()), "{words}");
    assert!(!words.contains("s3cret") && !words.contains('\n'), "{words}");
}

#[test]
fn unreadable_file_is_an_error() {
    let (folder, mut environment) = files(&[]);
    environment.kubeconfig = Some(folder.path().as_os_str().to_owned());
    let words = complaint(resolve(&AccessOptions::default(), &environment));
    let cause = fs::read(folder.path()).unwrap_err().to_string();
    assert!(words.contains(folder.path().to_str().unwrap()) && words.contains(&cause), "{words}");
}

#[test]
fn no_configuration_is_no_cluster() {
    let (folder, mut environment) = files(&["", "apiVersion: v1\nkind: Config\n"]);
    assert!(resolve(&AccessOptions::default(), &environment).unwrap().is_none());
    environment.kubeconfig = Some(folder.path().join("missing").into_os_string());
    assert!(resolve(&AccessOptions::default(), &environment).unwrap().is_none());
    assert!(resolve(&AccessOptions::default(), &Environment::default()).unwrap().is_none());
}

#[test]
fn unknown_names_are_errors_with_the_nearest_name() {
    let words = complaint(two(&AccessOptions { context: some("stagee"), ..Default::default() }));
    assert_eq!(
        words,
        "kubeconfig: context \"stagee\" not found | did you mean \"stage\"?; available: prod, stage, torn"
    );
    let words = complaint(two(&AccessOptions { cluster: some("xyz"), ..Default::default() }));
    assert!(words.contains("cluster \"xyz\"") && words.contains("available: prod-c, stage-c"), "{words}");
    let words = complaint(two(&AccessOptions { user: some("prod-x"), ..Default::default() }));
    assert!(words.contains("user \"prod-x\"") && words.contains("did you mean \"prod-u\"?"), "{words}");
    let words = complaint(two(&AccessOptions { context: some("torn"), ..Default::default() }));
    assert!(words.contains("cluster \"gone\""), "{words}");
    let (_folder, environment) = files(&["current-context: gone"]);
    let words = complaint(resolve(&AccessOptions { server: some("http://h"), ..Default::default() }, &environment));
    assert!(words.contains("context \"gone\""), "{words}");
}

#[test]
fn server_and_token_flags_replace_missing_context_entries() {
    let options = AccessOptions { context: some("torn"), server: some("https://h"), ..Default::default() };
    let words = complaint(two(&options));
    assert!(words.contains("user \"gone\""), "{words}");
    let chosen = two(&AccessOptions { token: some("t"), ..options.clone() }).unwrap();
    assert_eq!(server(&chosen), "https://h");
    assert_eq!(token(&chosen.user).as_deref(), Some("t"));
    let words = complaint(two(&AccessOptions { user: some("nobody"), token: some("t"), ..options }));
    assert!(words.contains("user \"nobody\""), "{words}");
}

#[test]
fn server_flag_alone_needs_no_current_context() {
    let text = TWO.replace("current-context: prod", "current-context: ''");
    let (_folder, environment) = files(&[&text]);
    let words = complaint(resolve(&AccessOptions::default(), &environment));
    assert!(words.contains("current-context is not set") && words.contains("prod, stage, torn"), "{words}");
    let options = AccessOptions { server: some("http://h"), ..Default::default() };
    let chosen = resolve(&options, &environment).unwrap().unwrap();
    assert_eq!((server(&chosen), chosen.user_name.as_deref()), ("http://h", None));
    assert!(resolve(&options, &Environment::default()).unwrap().is_some());
}

#[test]
fn cluster_without_a_server_is_an_error() {
    let (_folder, environment) = files(&["clusters: [{name: c, cluster: {server: ''}}]"]);
    let words = complaint(resolve(&AccessOptions { cluster: some("c"), ..Default::default() }, &environment));
    assert!(words.contains("cluster \"c\" has no server"), "{words}");
}

#[test]
fn server_flag_clears_the_tls_server_name() {
    let chosen = two(&AccessOptions::default()).unwrap();
    assert_eq!(chosen.cluster.tls_server_name.as_deref(), Some("inner"));
    let chosen = two(&AccessOptions { server: some("https://h"), ..Default::default() }).unwrap();
    assert_eq!(chosen.cluster.tls_server_name, None);
    assert!(chosen.cluster.certificate_authority.is_some());
    let chosen = two(&AccessOptions { tls_server_name: some("other"), ..Default::default() }).unwrap();
    assert_eq!(chosen.cluster.tls_server_name.as_deref(), Some("other"));
}

#[test]
fn skip_verify_and_certificate_authority_clear_each_other() {
    let stage = AccessOptions { context: some("stage"), ..Default::default() };
    for context in ["prod", "stage"] {
        let options = AccessOptions { context: some(context), insecure_skip_tls_verify: true, ..Default::default() };
        let cluster = two(&options).unwrap().cluster;
        assert_eq!(cluster.insecure_skip_tls_verify, Some(true));
        assert_eq!((cluster.certificate_authority, cluster.certificate_authority_data), (None, None));
    }
    let options = AccessOptions { certificate_authority: Some("mine.crt".into()), ..stage };
    let cluster = two(&options).unwrap().cluster;
    assert_eq!(cluster.insecure_skip_tls_verify, Some(false));
    assert_eq!(
        (cluster.certificate_authority.as_deref(), cluster.certificate_authority_data),
        (Some("mine.crt"), None)
    );
}

#[test]
fn token_flag_replaces_the_token_only() {
    let user = two(&AccessOptions { token: some("new"), ..Default::default() }).unwrap().user;
    assert_eq!(token(&user).as_deref(), Some("new"));
    // kubectl still reads the token file, and rejects a password beside a token.
    assert!(user.token_file.is_some() && user.username.is_some() && user.client_certificate.is_some());
}

#[test]
fn missing_user_is_an_error_only_with_tls() {
    let plain = AccessOptions { context: some("torn"), server: some("http://h"), ..Default::default() };
    assert_eq!(two(&plain).unwrap().user_name, None);
    let words = complaint(two(&AccessOptions { user: some("gone"), ..plain }));
    assert!(words.contains("user \"gone\""), "{words}");
}

#[test]
fn impersonation_flags_override_the_entry() {
    let options = AccessOptions {
        context: some("stage"),
        as_group: vec!["g".into(), "h".into()],
        as_uid: some("1"),
        ..Default::default()
    };
    let user = two(&options).unwrap().user;
    assert_eq!(user.impersonate.as_deref(), Some("someone"));
    assert_eq!(user.impersonate_uid.as_deref(), Some("1"));
    assert_eq!(user.impersonate_groups, Some(vec!["g".into(), "h".into()]));
    let user = two(&AccessOptions { as_user: some("other"), ..options }).unwrap().user;
    assert_eq!(user.impersonate.as_deref(), Some("other"));
}

#[test]
fn distance_counts_edits() {
    for (left, right, expected) in [("", "", 0), ("a", "", 1), ("kitten", "sitting", 3), ("prod", "prdo", 2)] {
        assert_eq!(distance(left, right), expected, "{left} {right}");
    }
}
