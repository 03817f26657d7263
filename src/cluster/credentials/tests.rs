#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;

use k8s_openapi::api::core::v1::Namespace;
use tempfile::TempDir;

use super::policy::KubercSource;
use crate::cluster::access::AccessOptions;
use crate::cluster::connect::connect_within;
use crate::cluster::connect::tests::{ask, kubeconfig, secure, test_server};
use crate::cluster::kubeconfig::Environment;
use crate::cluster::query::Scope;
use crate::error::Error;
use crate::testing::http_server::{Answer, TestServer};

const TOKEN: &str = "token: s3cret";
const PASSWORD: &str = "username: u, password: s3cret";

/// The error of a connection, which must fail.
async fn rejected(options: &AccessOptions, environment: &Environment) -> Error {
    connect_within(options, environment).await.err().unwrap()
}

fn authorization(server: &TestServer) -> Option<String> {
    server.seen().last().unwrap().header("authorization").map(str::to_owned)
}

#[tokio::test]
async fn server_without_tls_gets_no_credentials() {
    let (plain, folder) = (test_server().await, TempDir::new().unwrap());
    fs::write(folder.path().join("token"), "s3cret").unwrap();
    let flag = AccessOptions { token: Some("s3cret".into()), as_user: Some("jane".into()), ..Default::default() };
    let with_password = plain.url.replace("http://", "http://u:s3cret@");
    let without_scheme = plain.url.replace("http://", "");
    for (server, user, options) in [
        (&plain.url, TOKEN, &AccessOptions::default()),
        (&plain.url, "tokenFile: token", &AccessOptions::default()),
        (&plain.url, PASSWORD, &AccessOptions::default()),
        (&plain.url, "auth-provider: {name: gcp}", &AccessOptions::default()),
        (&plain.url, "", &flag),
        (&with_password, TOKEN, &AccessOptions::default()),
        (&without_scheme, TOKEN, &AccessOptions::default()),
    ] {
        let access = connect_within(options, &kubeconfig(&folder, server, user)).await.unwrap();
        ask(&access).await;
        assert_eq!(authorization(&plain), None, "{server} {user}");
        assert_eq!(access.server(), plain.url);
        assert_eq!(plain.seen().last().unwrap().header("impersonate-user"), options.as_user.as_deref());
    }
    // The same for --server.
    let options = AccessOptions { server: Some(plain.url.clone()), ..Default::default() };
    ask(&connect_within(&options, &kubeconfig(&folder, "https://127.0.0.1:1", TOKEN)).await.unwrap()).await;
    assert_eq!(authorization(&plain), None);
}

#[tokio::test]
async fn server_with_tls_gets_the_credentials_kubectl_sends() {
    let (server, folder) = (secure().await, TempDir::new().unwrap());
    fs::write(folder.path().join("token"), "from-file\n").unwrap();
    let with_password = server.url.replace("https://", "https://u%40x:p@");
    let flag = AccessOptions { token: Some("flag".into()), ..Default::default() };
    for (url, user, options, expected) in [
        (&server.url, PASSWORD, &AccessOptions::default(), "Basic dTpzM2NyZXQ="),
        (&server.url, "username: u", &AccessOptions::default(), "Basic dTo="),
        (&server.url, "token: t, tokenFile: token", &AccessOptions::default(), "Bearer from-file"),
        (&server.url, "token: t, tokenFile: missing", &AccessOptions::default(), "Bearer t"),
        (&server.url, "tokenFile: token", &flag, "Bearer from-file"),
        (&with_password, TOKEN, &AccessOptions::default(), "Basic dUB4OnA="),
    ] {
        let access = connect_within(options, &kubeconfig(&folder, url, user)).await.unwrap();
        ask(&access).await;
        assert_eq!(authorization(&server).as_deref(), Some(expected), "{url} {user}");
        assert_eq!(access.server(), server.url);
    }
}

#[tokio::test]
async fn user_entry_that_kubectl_rejects_is_an_error() {
    let folder = TempDir::new().unwrap();
    let v1 = "apiVersion: client.authentication.k8s.io/v1";
    for (user, expected) in [
        ("token: s3cret, username: u, password: s3cret", "both a token and a password"),
        ("client-certificate: gone, client-key: gone", "client certificate"),
        (&format!("exec: {{command: x, {v1}}}"), "no interactiveMode"),
        (&format!("exec: {{command: '', {v1}, interactiveMode: Never}}"), "no command"),
        ("exec: {command: x, interactiveMode: Never}", "no apiVersion"),
        (&format!("exec: {{command: x, {v1}, interactiveMode: Never, env: [{{name: '', value: x}}]}}"), "env entry"),
    ] {
        for server in ["https://127.0.0.1:1", "http://127.0.0.1:1"] {
            let error = rejected(&AccessOptions::default(), &kubeconfig(&folder, server, user)).await.to_string();
            assert!(error.contains(expected) && !error.contains("s3cret"), "{user}: {error}");
        }
    }
    let environment = kubeconfig(&folder, "https://127.0.0.1:1", "auth-provider: {name: gcp, config: {cmd-path: x}}");
    let error = rejected(&AccessOptions::default(), &environment).await.to_string();
    assert!(error.contains("auth-provider \"gcp\""), "{error}");
}

#[tokio::test]
async fn redirect_is_an_error() {
    for code in [301, 302, 303, 307, 308] {
        let (other, plain) = (secure().await, test_server().await);
        for target in [&other.url, &plain.url] {
            let location = format!("{target}/api/v1/namespaces");
            let server =
                TestServer::start_tls(move |_, _| Answer::rejection(code, "moved").with("location", &location)).await;
            let access = server.access_with(AccessOptions { token: Some("t".into()), ..Default::default() }).await;
            let error = access.list::<Namespace>(&Scope::Cluster, None, None).await.unwrap_err();
            assert!(error.to_string().contains("redirect to "), "{error}");
            assert_eq!(authorization(&server).as_deref(), Some("Bearer t"));
        }
        assert!(other.seen().is_empty() && plain.seen().is_empty());
    }
}

#[tokio::test]
async fn errors_hide_secrets_of_urls() {
    let folder = TempDir::new().unwrap();
    for (server, proxy) in [
        ("https://u:s3cret@127.0.0.1:1/x?token=s3cret", ""),
        ("http://u:s3cret@127.0.0.1:1", ""),
        ("ftp://u:s3cret@h", ""),
        ("https://u:s3 cret@h", ""),
        ("http://127.0.0.1:1", "http://u:s3cret@127.0.0.1:2"),
        ("http://127.0.0.1:1", "ftp://u:s3cret@127.0.0.1:2"),
        ("http://127.0.0.1:1", "u:s3cret@127.0.0.1:2"),
    ] {
        let entry = if proxy.is_empty() { server.into() } else { format!("{server}', proxy-url: '{proxy}") };
        let error = match connect_within(&AccessOptions::default(), &kubeconfig(&folder, &entry, "")).await {
            Ok(access) => access.list::<Namespace>(&Scope::Cluster, None, None).await.unwrap_err(),
            Err(error) => error,
        };
        let words = format!("{error} {} {error:?}", error.hint());
        assert!(!words.contains("cret"), "{words}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn special_and_large_files_are_errors() {
    let folder = TempDir::new().unwrap();
    let fifo = folder.path().join("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let large = folder.path().join("large");
    fs::write(&large, vec![b'x'; 9 << 20]).unwrap();
    fs::write(folder.path().join("key"), "k").unwrap();
    for (path, expected) in [
        ("/dev/zero", "not a regular file"),
        (fifo.to_str().unwrap(), "not a regular file"),
        (folder.path().to_str().unwrap(), "not a regular file"),
        (large.to_str().unwrap(), "larger than"),
    ] {
        for user in [
            format!("tokenFile: {path}"),
            format!("client-certificate: {path}, client-key: key"),
            format!("client-certificate: key, client-key: {path}"),
        ] {
            let environment = kubeconfig(&folder, "https://127.0.0.1:1", &user);
            let error = rejected(&AccessOptions::default(), &environment).await.to_string();
            assert!(error.contains(expected) && error.contains(path), "{user}: {error}");
        }
        let environment = kubeconfig(&folder, &format!("https://h', certificate-authority: '{path}"), "");
        let error = rejected(&AccessOptions::default(), &environment).await.to_string();
        assert!(error.contains(expected) && error.contains(path), "{error}");
    }
    for path in ["/dev/zero", large.to_str().unwrap()] {
        let environment = Environment { kubeconfig: Some(path.into()), ..Environment::default() };
        let error = rejected(&AccessOptions::default(), &environment).await.to_string();
        assert!(error.contains("larger than 8388608 bytes") && error.contains(path), "{error}");
        let kuberc = AccessOptions { kuberc: Some(path.into()), ..Default::default() };
        let error = rejected(&kuberc, &Environment::default()).await.to_string();
        assert!(error.contains("larger than 8388608 bytes") && error.contains(path), "{error}");
    }
}

#[cfg(unix)]
mod plugins {
    use std::time::Duration;

    use super::*;
    use crate::cluster::connect::tests::{EXEC, credential, plugin, runs};

    #[tokio::test]
    async fn server_without_tls_runs_no_plugin() {
        let (plain, folder) = (test_server().await, TempDir::new().unwrap());
        plugin(&folder, &credential("\"token\":\"t\""));
        ask(&connect_within(&AccessOptions::default(), &kubeconfig(&folder, &plain.url, EXEC)).await.unwrap()).await;
        assert!(runs(&folder).is_empty());
        assert_eq!(authorization(&plain), None);
    }

    #[tokio::test]
    async fn denied_plugin_does_not_run_and_hint_shows_allowlist() {
        let folder = TempDir::new().unwrap();
        plugin(&folder, &credential("\"token\":\"t\""));
        let mut environment = kubeconfig(&folder, "https://127.0.0.1:1", EXEC);
        let kuberc = folder.path().join("kuberc");
        environment.kuberc = KubercSource { variable: Some(kuberc.clone().into()), ..Default::default() };
        let head = "apiVersion: kubectl.config.k8s.io/v1beta1\nkind: Preference\ncredentialPluginPolicy";
        for (policy, expected) in [
            ("DenyAll", "is not allowed to run: credentialPluginPolicy is DenyAll in"),
            (
                "Allowlist\ncredentialPluginAllowlist: [{command: aws}]",
                "plugin is not in the credentialPluginAllowlist",
            ),
        ] {
            fs::write(&kuberc, format!("{head}: {policy}\n")).unwrap();
            let error = rejected(&AccessOptions::default(), &environment).await;
            assert!(error.to_string().contains(expected) && !error.to_string().contains('\n'), "{error}");
            let program = folder.path().join("plugin");
            assert!(error.hint().contains(&format!("add command: {}", program.display())), "{}", error.hint());
        }
        assert!(runs(&folder).is_empty());
        let program = folder.path().join("plugin");
        let list = format!("{head}: Allowlist\ncredentialPluginAllowlist: [{{command: {}}}]\n", program.display());
        fs::write(&kuberc, list).unwrap();
        assert!(connect_within(&AccessOptions::default(), &environment).await.is_ok());
        assert_eq!(runs(&folder).len(), 1);
    }

    #[tokio::test]
    async fn hanging_plugin_is_ended_by_the_timeout() {
        let folder = TempDir::new().unwrap();
        plugin(&folder, "sleep 1000");
        let environment = kubeconfig(&folder, "https://127.0.0.1:1", EXEC);
        let request_timeout = Some(Duration::from_millis(300));
        let error = rejected(&AccessOptions { request_timeout, ..Default::default() }, &environment).await;
        assert!(error.to_string().ends_with("plugin\" of user \"u\" did not respond within 0.3s"), "{error}");
        assert!(error.hint().contains("--request-timeout"));
    }

    #[tokio::test]
    async fn timeout_names_a_plugin_that_hangs_later() {
        let (server, folder) = (secure().await, TempDir::new().unwrap());
        // The second run, after the token has expired, never ends.
        let expired = credential("\"token\":\"t\",\"expirationTimestamp\":\"2001-01-01T00:00:00Z\"");
        plugin(&folder, &format!("[ -e {0}/ran ] && sleep 1000; touch {0}/ran; {expired}", folder.path().display()));
        let environment = kubeconfig(&folder, &server.url, EXEC);
        let request_timeout = Some(Duration::from_secs(3));
        let options = AccessOptions { request_timeout, ..Default::default() };
        let access = connect_within(&options, &environment).await.unwrap();
        let error = access.list::<Namespace>(&Scope::Cluster, None, None).await.unwrap_err().to_string();
        assert!(error.contains("the credential plugin \"") && error.contains("within 3s"), "{error}");
    }

    #[tokio::test]
    async fn plugin_with_endless_output_is_an_error() {
        let folder = TempDir::new().unwrap();
        plugin(&folder, "exec yes");
        let error = rejected(&AccessOptions::default(), &kubeconfig(&folder, "https://127.0.0.1:1", EXEC)).await;
        assert!(error.to_string().ends_with("failed: its output is longer than 1 MiB"), "{error}");
    }

    #[tokio::test]
    async fn bare_plugin_is_looked_up_in_path_only() {
        let (server, folder) = (secure().await, TempDir::new().unwrap());
        plugin(&folder, &credential("\"token\":\"t\""));
        let bare = EXEC.replace("./plugin", "plugin");
        let mut environment = kubeconfig(&folder, &server.url, &bare);
        let error = rejected(&AccessOptions::default(), &environment).await.to_string();
        assert!(error.contains("the credential plugin \"plugin\" of user \"u\" is not installed"), "{error}");
        environment.path = Some(folder.path().as_os_str().to_owned());
        ask(&connect_within(&AccessOptions::default(), &environment).await.unwrap()).await;
        assert_eq!(authorization(&server).as_deref(), Some("Bearer t"));
    }
}
