#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;

use k8s_openapi::api::core::v1::Namespace;
use tempfile::TempDir;

use super::*;
use crate::cluster::proxy::ProxyVariables;
use crate::cluster::query::Scope;
use crate::testing::http_server::{Answer, JSON, TestServer};

const EMPTY: &str = r#"{"metadata":{},"items":[]}"#;

pub(in crate::cluster) async fn test_server() -> TestServer {
    TestServer::start(|_, _| Answer::ok(JSON, EMPTY)).await
}

/// A server with TLS, to which credentials may be sent.
pub(in crate::cluster) async fn secure() -> TestServer {
    TestServer::start_tls(|_, _| Answer::ok(JSON, EMPTY)).await
}

pub(in crate::cluster) async fn ask(access: &Access) {
    access.list::<Namespace>(&Scope::Cluster, None, None).await.unwrap();
}

/// A kubeconfig with one user. The certificate of a test server is not verified.
pub(in crate::cluster) fn kubeconfig(folder: &TempDir, server: &str, user: &str) -> Environment {
    let unchecked = format!("{server}', insecure-skip-tls-verify: true, tls-server-name: 'localhost");
    let server = if server.starts_with("https://") && server.contains("127.0.0.1:") { &unchecked } else { server };
    let path = folder.path().join("config");
    let text = format!(
        "current-context: c\ncontexts: [{{name: c, context: {{cluster: c, user: u}}}}]\n\
         clusters: [{{name: c, cluster: {{server: '{server}'}}}}]\nusers: [{{name: u, user: {{{user}}}}}]\n"
    );
    fs::write(&path, text).unwrap();
    Environment { kubeconfig: Some(path.into_os_string()), ..Environment::default() }
}

/// A credential plugin that records each of its runs.
#[cfg(unix)]
pub(in crate::cluster) fn plugin(folder: &TempDir, script: &str) {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.path().join("plugin");
    let runs = folder.path().join("runs");
    fs::write(&path, format!("#!/bin/sh\necho \"$KUBERNETES_EXEC_INFO\" >> {}\n{script}\n", runs.display())).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[cfg(unix)]
pub(in crate::cluster) fn runs(folder: &TempDir) -> Vec<String> {
    let text = fs::read_to_string(folder.path().join("runs")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// A script line that prints an ExecCredential with this status.
#[cfg(unix)]
pub(in crate::cluster) fn credential(status: &str) -> String {
    format!(
        "echo '{{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{{{status}}}}}'"
    )
}

#[cfg(unix)]
pub(in crate::cluster) const EXEC: &str = "exec: {command: ./plugin, apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, provideClusterInfo: true, installHint: \"get it\\n  there\"}";

#[tokio::test]
async fn no_configuration_is_an_error() {
    let outcome = connect_within(&AccessOptions::default(), &Environment::default()).await;
    assert!(matches!(outcome.err(), Some(Error::NoCluster)));
}

#[tokio::test]
async fn server_flag_alone_is_enough() {
    let test_server = test_server().await;
    let server = Some(test_server.url.trim_start_matches("http://").to_owned());
    let options = AccessOptions { server, ..AccessOptions::default() };
    let access = connect_within(&options, &Environment::default()).await.unwrap();
    ask(&access).await;
    assert_eq!(access.server(), test_server.url);
    assert_eq!((access.context(), access.namespace()), (None, "default"));
}

#[tokio::test]
async fn server_path_is_the_prefix_of_requests() {
    let test_server = test_server().await;
    let options =
        AccessOptions { server: Some(format!("{}/k8s/clusters/c-1/", test_server.url)), ..Default::default() };
    ask(&connect_within(&options, &Environment::default()).await.unwrap()).await;
    assert_eq!(test_server.seen()[0].target, "/k8s/clusters/c-1/api/v1/namespaces?");
}

#[tokio::test]
async fn token_and_impersonation_are_sent() {
    let test_server = secure().await;
    let options = AccessOptions {
        token: Some("t".into()),
        as_user: Some("jane".into()),
        as_group: vec!["a".into(), "b".into()],
        as_uid: Some("7".into()),
        ..AccessOptions::default()
    };
    let access = test_server.access_with(options).await;
    ask(&access).await;
    let seen = &test_server.seen()[0];
    assert_eq!(seen.header("authorization"), Some("Bearer t"));
    assert_eq!(seen.header("impersonate-user"), Some("jane"));
    assert_eq!(seen.all("impersonate-group"), ["a", "b"]);
    assert_eq!(seen.header("impersonate-uid"), Some("7"));
    assert_eq!(access.user, "--token");
}

#[tokio::test]
async fn conflicting_flags_are_rejected() {
    let server = Some("https://h".to_owned());
    let group = AccessOptions { server: server.clone(), as_group: vec!["g".into()], ..Default::default() };
    let both = AccessOptions {
        server,
        insecure_skip_tls_verify: true,
        certificate_authority: Some("x".into()),
        ..Default::default()
    };
    for options in [group, both] {
        let error = connect_within(&options, &Environment::default()).await.err().unwrap();
        assert!(matches!(error, Error::Usage { .. }), "{error}");
    }
}

#[tokio::test]
async fn kubeconfig_with_authority_and_skip_verify_is_rejected() {
    let folder = TempDir::new().unwrap();
    let authority = folder.path().join("ca.crt");
    fs::write(&authority, "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n").unwrap();
    let server = "https://h', certificate-authority: ca.crt, insecure-skip-tls-verify: true, tls-server-name: 'x";
    let environment = kubeconfig(&folder, server, "");
    let error = connect_within(&AccessOptions::default(), &environment).await.err().unwrap();
    assert!(error.to_string().contains("insecure-skip-tls-verify"), "{error}");
    let options = AccessOptions { insecure_skip_tls_verify: true, ..AccessOptions::default() };
    assert!(connect_within(&options, &environment).await.is_ok());
}

#[tokio::test]
async fn unreadable_token_file_error_names_the_file() {
    let folder = TempDir::new().unwrap();
    let environment = kubeconfig(&folder, "https://h", "tokenFile: missing");
    let error = connect_within(&AccessOptions::default(), &environment).await.err().unwrap();
    assert!(error.to_string().contains("missing of user \"u\": no such file"), "{error}");
}

#[tokio::test]
async fn token_is_trimmed_and_invalid_characters_are_rejected() {
    let (test_server, folder) = (secure().await, TempDir::new().unwrap());
    let environment = kubeconfig(&folder, &test_server.url, "token: \"secret\\n\"");
    let access = connect_within(&AccessOptions::default(), &environment).await.unwrap();
    ask(&access).await;
    assert_eq!(test_server.seen()[0].header("authorization"), Some("Bearer secret"));
    let broken = AccessOptions { token: Some("a\nb".into()), ..AccessOptions::default() };
    let error = connect_within(&broken, &environment).await.err().unwrap().to_string();
    assert!(error.contains("not valid in a request header") && !error.contains("a\nb"), "{error}");
}

#[tokio::test]
async fn token_file_is_sent_without_its_newline() {
    let test_server = secure().await;
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("token"), "from-file\n").unwrap();
    let environment = kubeconfig(&folder, &test_server.url, "tokenFile: token");
    ask(&connect_within(&AccessOptions::default(), &environment).await.unwrap()).await;
    assert_eq!(test_server.seen()[0].header("authorization"), Some("Bearer from-file"));
}

#[cfg(unix)]
#[tokio::test]
async fn credential_plugin_runs_once() {
    for expiry in ["", ",\"expirationTimestamp\":\"2999-01-01T00:00:00Z\""] {
        let test_server = secure().await;
        let folder = TempDir::new().unwrap();
        plugin(&folder, &credential(&format!("\"token\":\"from-plugin\"{expiry}")));
        let environment = kubeconfig(&folder, &test_server.url, EXEC);
        let access = connect_within(&AccessOptions::default(), &environment).await.unwrap();
        ask(&access).await;
        ask(&access).await;
        assert_eq!(test_server.seen()[1].header("authorization"), Some("Bearer from-plugin"));
        let [info] = runs(&folder).try_into().unwrap();
        let info: Value = serde_json::from_str(&info).unwrap();
        assert_eq!(info["apiVersion"], "client.authentication.k8s.io/v1");
        assert_eq!(info["spec"]["cluster"]["server"], test_server.url);
        assert_eq!(access.user, "u");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn expired_token_is_renewed() {
    let test_server = secure().await;
    let folder = TempDir::new().unwrap();
    plugin(&folder, &credential("\"token\":\"t\",\"expirationTimestamp\":\"2001-01-01T00:00:00Z\""));
    let environment = kubeconfig(&folder, &test_server.url, EXEC);
    let access = connect_within(&AccessOptions::default(), &environment).await.unwrap();
    ask(&access).await;
    assert_eq!(runs(&folder).len(), 2);
}

#[cfg(unix)]
#[tokio::test]
async fn credential_plugin_with_a_certificate_runs_once() {
    let folder = TempDir::new().unwrap();
    // An invalid certificate: the client's error shows that it received it.
    plugin(&folder, &credential("\"clientCertificateData\":\"nonsense\",\"clientKeyData\":\"nonsense\""));
    let environment = kubeconfig(&folder, "https://127.0.0.1:1", EXEC);
    let error = connect_within(&AccessOptions::default(), &environment).await.err().unwrap();
    assert!(error.to_string().contains("PEM"), "{error}");
    assert_eq!(runs(&folder).len(), 1);
}

#[cfg(unix)]
#[tokio::test]
async fn plugin_does_not_run_with_token_flag_or_certificate() {
    let test_server = secure().await;
    let folder = TempDir::new().unwrap();
    plugin(&folder, "exit 1");
    let environment = kubeconfig(&folder, &test_server.url, EXEC);
    let options = AccessOptions { token: Some("t".into()), ..AccessOptions::default() };
    ask(&connect_within(&options, &environment).await.unwrap()).await;
    let environment = kubeconfig(&folder, &test_server.url, &format!("{EXEC}, client-certificate: c, client-key: k"));
    let error = connect_within(&AccessOptions::default(), &environment).await.err().unwrap();
    assert!(error.to_string().contains("client certificate"), "{error}");
    assert!(runs(&folder).is_empty());
}

#[cfg(unix)]
#[tokio::test]
async fn missing_or_failing_plugin_is_an_error() {
    let folder = TempDir::new().unwrap();
    let environment = kubeconfig(&folder, "https://h", EXEC);
    let complaint = async || {
        let error = connect_within(&AccessOptions::default(), &environment).await.err().unwrap();
        (error.to_string(), error.hint())
    };
    let (message, hint) = complaint().await;
    assert!(message.contains("plugin\" of user \"u\" is not installed"), "{message}");
    assert_eq!(hint, "get it there");
    for (script, why) in [
        ("exit 7", "exit status: 7"),
        ("echo nonsense", "not an ExecCredential"),
        ("echo '{}'", "not an ExecCredential"),
        (&credential(""), "neither a token nor a certificate"),
        (&credential("\"token\":\"t\",\"clientKeyData\":\"k\""), "not both"),
        (
            &credential("\"token\":\"t\"").replace("/v1", "/v1beta1"),
            "its output \"client.authentication.k8s.io/v1beta1",
        ),
    ] {
        plugin(&folder, script);
        let (message, _) = complaint().await;
        assert!(message.contains(why), "{message}");
    }
}

#[tokio::test]
async fn proxy_is_chosen_by_the_server_name() {
    let proxy = test_server().await;
    let options = AccessOptions { server: Some("http://api.invalid:8001".into()), ..AccessOptions::default() };
    let variables = |exceptions: &str| ProxyVariables {
        http: proxy.url.clone(),
        https: String::new(),
        exceptions: exceptions.into(),
    };
    // kube would compare these with the proxy, and fail on the empty items.
    for exceptions in ["", "127.0.0.1", "a,,b", ",[,"] {
        let environment = Environment { proxy: variables(exceptions), ..Environment::default() };
        ask(&connect_within(&options, &environment).await.unwrap()).await;
        let seen = proxy.seen();
        assert_eq!(seen[seen.len() - 2].method, "CONNECT");
        assert_eq!(seen[seen.len() - 2].target, "api.invalid:8001");
        assert_eq!(seen[seen.len() - 1].header("accept-encoding"), Some("gzip"));
    }
    let before = proxy.seen().len();
    let environment = Environment { proxy: variables(".invalid"), ..Environment::default() };
    let access = connect_within(&options, &environment).await.unwrap();
    let error = access.list::<Namespace>(&Scope::Cluster, None, None).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    assert_eq!(proxy.seen().len(), before);
}

#[tokio::test]
async fn kubeconfig_proxy_overrides_the_environment() {
    let proxy = test_server().await;
    let folder = TempDir::new().unwrap();
    let mut environment = kubeconfig(&folder, &format!("http://localhost:1', proxy-url: '{}", proxy.url), "");
    environment.proxy =
        ProxyVariables { http: "http://127.0.0.1:1".into(), https: String::new(), exceptions: "*".into() };
    let access = connect_within(&AccessOptions::default(), &environment).await.unwrap();
    ask(&access).await;
    assert_eq!(proxy.seen()[0].method, "CONNECT");
    assert!(access.unreachable("x".into()).to_string().ends_with(&format!("(through the proxy {})", proxy.url)));
    let environment = kubeconfig(&folder, "http://h', proxy-url: 'ftp://h", "");
    let error = connect_within(&AccessOptions::default(), &environment).await.err().unwrap();
    assert!(error.to_string().contains("cannot use the proxy \"ftp://h/\""), "{error}");
}

#[test]
fn proxy_scheme_is_converted_for_kube() {
    let spelled = |url: &str| normalize_proxy_scheme(&url.parse().unwrap()).map(|url| url.to_string());
    assert_eq!(spelled("socks5h://h:1080").unwrap(), "socks5://h:1080/");
    assert_eq!(spelled("https://u:p@h:1").unwrap(), "https://u:p@h:1/");
    assert!(spelled("ftp://h").is_err());
    assert_eq!(origin(&"http://u:p@h:1".parse().unwrap()), "http://h:1");
}

#[test]
fn invalid_certificate_authority_error_names_its_source() {
    let complaint = |data: Option<&str>, path: Option<&str>| {
        let mut cluster = Cluster {
            certificate_authority_data: data.map(str::to_owned),
            certificate_authority: path.map(str::to_owned),
            ..Cluster::default()
        };
        certificate_authority(&mut cluster, true).unwrap_err().to_string()
    };
    assert!(complaint(Some("?"), None).contains("certificate-authority-data: not valid base64"));
    assert!(complaint(Some("QUJD"), None).contains("certificate-authority-data: contains no certificate"));
    assert!(complaint(None, Some("/no/such.crt")).contains("certificate-authority /no/such.crt: no such file"));
}

#[tokio::test]
async fn compression_follows_kubeconfig_except_on_loopback() {
    let prepared = |server: &'static str, disabled: bool| {
        let mut config = Config::new(http::Uri::from_static(server));
        config.disable_compression = disabled;
        prepare(&mut config, &Environment::default()).unwrap();
        assert!(!config.default_retry);
        config.disable_compression
    };
    assert!(!prepared("https://example.com", false));
    assert!(prepared("https://example.com", true));
    assert!(prepared("https://127.0.0.1:6443", false));
    assert!(prepared("https://[::1]:6443", false));
    assert!(prepared("https://localhost", false));
}
