//! kubectl and this program with the same kubeconfigs, against servers that record the requests: the credentials that
//! are sent, and whether the credential plugin runs.

mod recording_server;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use libtest_mimic::Failed;
use serde_json::{Value, json};
use tempfile::TempDir;

use self::recording_server::RecordingServer;
use crate::Ctx;
use crate::harness::client::ensure;
use crate::harness::registry::LiveTest;

pub(crate) const TESTS: &[LiveTest] = live_tests![credentials_match_kubectl, password_in_http_url_is_not_sent];

const EXEC: &str =
    "exec: {command: ./plugin, apiVersion: client.authentication.k8s.io/v1, interactiveMode: IfAvailable}";
/// The first minor version of kubectl in which a kuberc file can restrict credential plugins.
const KUBERC_POLICY_MINOR: u32 = 35;

/// The head of a kuberc file.
const RC: &str = "apiVersion: kubectl.config.k8s.io/v1beta1\nkind: Preference\n";

/// A kubeconfig with flags and environment variables. `HTTP` and `HTTPS` are placeholders for the ports of the servers,
/// `DIR` for the directory of the kubeconfig.
#[derive(Clone)]
struct Case {
    server: String,
    cluster: String,
    user: String,
    context_user: &'static str,
    flags: Vec<&'static str>,
    variables: Vec<(&'static str, String)>,
    kuberc: Option<String>,
}

impl Case {
    fn new(server: &str, user: &str) -> Self {
        Self {
            server: server.into(),
            cluster: "insecure-skip-tls-verify: true".into(),
            user: user.into(),
            context_user: "u",
            flags: Vec::new(),
            variables: Vec::new(),
            kuberc: None,
        }
    }

    fn http(user: &str) -> Self {
        Self::new("http://127.0.0.1:HTTP", user)
    }

    fn https(user: &str) -> Self {
        Self::new("https://127.0.0.1:HTTPS", user)
    }

    /// A plugin for a server with TLS, with this kuberc file.
    fn kuberc(text: &str) -> Self {
        Self { kuberc: Some(format!("{RC}{text}")), ..Self::https(EXEC) }
    }

    fn uses_kuberc(&self) -> bool {
        let is_variable = |(name, _): &(&str, String)| name.contains("KUBERC");
        self.kuberc.is_some()
            || self.variables.iter().any(is_variable)
            || self.flags.iter().any(|flag| flag.starts_with("--kuberc"))
    }

    fn flags(mut self, flags: &[&'static str]) -> Self {
        self.flags.extend(flags);
        self
    }

    fn variable(mut self, name: &'static str, value: &str) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    fn user(mut self, user: &str) -> Self {
        self.user = user.into();
        self
    }
}

/// What a program did in a case.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    success: bool,
    /// Name of the server, `Authorization` and `Impersonate-User` of the first request.
    first: Option<(&'static str, Option<String>, Option<String>)>,
    plugin_ran: bool,
}

/// The servers, and the directory in which the programs run.
struct TestBed {
    folder: TempDir,
    http: RecordingServer,
    https: RecordingServer,
}

impl TestBed {
    fn start() -> Result<Self, Failed> {
        let folder = TempDir::new()?;
        let answer = json!({
            "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
            "status": {"token": "from-plugin"},
        });
        let script = format!("#!/bin/sh\necho run >> {}\necho '{answer}'\n", folder.path().join("runs").display());
        fs::write(folder.path().join("plugin"), script)?;
        fs::set_permissions(folder.path().join("plugin"), fs::Permissions::from_mode(0o755))?;
        fs::write(folder.path().join("token"), "from-file\n")?;
        fs::create_dir_all(folder.path().join("home/.kube"))?;
        fs::write(folder.path().join("other"), format!("{RC}credentialPluginPolicy: DenyAll\n"))?;
        fs::write(folder.path().join("broken"), "x: 1\n")?;
        Ok(Self {
            folder,
            http: RecordingServer::start("http", None)?,
            https: RecordingServer::start("https", Some(recording_server::tls_config()?))?,
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn filled(&self, text: &str) -> String {
        text.replace("HTTPS", &self.https.port().to_string())
            .replace("HTTP", &self.http.port().to_string())
            .replace("DIR", &self.folder.path().display().to_string())
    }

    /// What a program does in the case, and its standard error.
    fn run(&self, program: &Path, case: &Case) -> Result<(Outcome, String), Failed> {
        let Case { server, cluster, user, context_user, flags, variables, kuberc } = case;
        let kubeconfig = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: c\n\
             contexts: [{{name: c, context: {{cluster: c, user: {context_user}}}}}]\n\
             clusters: [{{name: c, cluster: {{server: '{server}', {cluster}}}}}]\n\
             users: [{{name: u, user: {{{user}}}}}]\n"
        );
        fs::write(self.path("config"), self.filled(&kubeconfig))?;
        let (preferences, runs) = (self.path("home/.kube/kuberc"), self.path("runs"));
        for file in [&preferences, &runs] {
            if file.exists() {
                fs::remove_file(file)?;
            }
        }
        if let Some(text) = kuberc {
            fs::write(&preferences, self.filled(text))?;
        }
        self.http.take();
        self.https.take();
        let mut command = Command::new(program);
        command.args(["version", "-o", "json"]).args(flags.iter().map(|flag| self.filled(flag)));
        command.env_clear().env("HOME", self.path("home")).env("KUBECONFIG", self.path("config"));
        command.env("PATH", "/usr/bin:/bin");
        for (name, value) in variables {
            command.env(name, self.filled(value));
        }
        let output = command.current_dir(self.folder.path()).stdin(Stdio::null()).output()?;
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        let first = self.http.take().into_iter().chain(self.https.take()).next();
        Ok((Outcome { success: output.status.success(), first, plugin_ran: runs.exists() }, stderr))
    }
}

/// The cases in which both must do the same.
fn cases() -> Vec<Case> {
    let bare = EXEC.replace("./plugin", "plugin");
    let always = EXEC.replace("IfAvailable", "Always");
    let allow = |entries: &str| format!("credentialPluginPolicy: Allowlist\ncredentialPluginAllowlist: {entries}\n");
    let deny = "credentialPluginPolicy: DenyAll\n";
    let mut cases = Vec::new();
    // Every kind of credentials, with TLS and without.
    let with_token = format!("token: t, {EXEC}");
    let with_file = format!("tokenFile: token, {EXEC}");
    let with_password = format!("username: a, password: b, {EXEC}");
    for user in [
        "token: t",
        "tokenFile: token",
        "tokenFile: missing",
        "token: t, tokenFile: token",
        "token: t, tokenFile: missing",
        "username: a, password: b",
        "username: a",
        "token: t, username: a, password: b",
        "auth-provider: {name: gcp}",
        "client-certificate: missing, client-key: missing",
        EXEC,
        &with_token,
        &with_file,
        &with_password,
        &always,
        &EXEC.replace("IfAvailable", "Never"),
        &EXEC.replace(", interactiveMode: IfAvailable", ""),
        &EXEC.replace("k8s.io/v1", "k8s.io/v1beta1"),
        &EXEC.replace("k8s.io/v1", "k8s.io/v1alpha1"),
        &EXEC.replace("./plugin", "DIR/plugin"),
        &EXEC.replace("./plugin", "./missing"),
        &EXEC.replace("./plugin", "''"),
    ] {
        for case in [Case::https(user), Case::http(user)] {
            cases.push(case.clone());
            cases.push(case.clone().flags(&["--token=flag"]));
            cases.push(case.flags(&["--as=jane"]));
        }
    }
    // Flags and URLs that change the server.
    for user in ["token: t", EXEC] {
        cases.push(Case::https(user).flags(&["--server=http://127.0.0.1:HTTP"]));
        cases.push(Case::http(user).flags(&["--server=https://127.0.0.1:HTTPS"]));
        cases.push(Case::https(user).flags(&["-s", "127.0.0.1:HTTP"]));
        cases.push(Case::new("127.0.0.1:HTTP", user));
        cases.push(Case::new("HTTPS://127.0.0.1:HTTPS".replacen("HTTPS", "Https", 1).as_str(), user));
        cases.push(Case::new("https://name:password@127.0.0.1:HTTPS", user));
        cases.push(Case { context_user: "missing", ..Case::http(user) });
        for certificate in ["certificate-authority: missing", "certificate-authority-data: eA=="] {
            cases.push(Case { cluster: certificate.into(), ..Case::http(user) });
        }
    }
    // The directories in which a plugin without a path is searched.
    for path in ["/usr/bin", ".:/usr/bin", ":/usr/bin", "/usr/bin:", "DIR", ".:DIR", "DIR:.", "home/..:DIR"] {
        cases.push(Case::https(&bare).variable("PATH", path));
    }
    cases.push(Case::https(&bare.replace("interactive", "env: [{name: PATH, value: 'DIR'}], interactive")));
    // kuberc.
    for text in [
        "",
        deny,
        "credentialPluginPolicy: AllowAll\n",
        "credentialPluginPolicy: ''\n",
        "credentialPluginPolicy: denyall\n",
        "credentialPluginPolicy: 5\n",
        "credentialPluginPolicy: DenyAll\nunknown: x\n",
        "credentialPluginPolicy: AllowAll\ncredentialPluginPolicy: DenyAll\n",
        "credentialPluginPolicy: AllowAll\ncredentialPluginAllowlist: []\n",
        "credentialPluginPolicy: Allowlist\n",
        &allow("[]"),
        &allow("null"),
        &allow("[{}]"),
        &allow("[{command: DIR/plugin}]"),
        &allow("[{name: DIR/plugin}]"),
        &allow("[{name: DIR/plugin, command: DIR/plugin}]"),
        &allow("[{name: other, command: DIR/plugin}]"),
        &allow("[{command: DIR//plugin}]"),
        &allow("[{command: DIR/other}, {command: plugin}]"),
        &allow("[{command: other}]"),
        &format!("---\n{RC}{deny}"),
    ] {
        cases.push(Case::kuberc(text));
        cases.push(Case::kuberc(text).variable("PATH", "DIR:/bin"));
        cases.push(Case::kuberc(text).variable("PATH", "DIR:/bin").user(&bare));
        cases.push(Case::kuberc(text).user("token: t"));
        cases.push(Case { server: "http://127.0.0.1:HTTP".into(), ..Case::kuberc(text) });
    }
    for whole in [
        "",
        "{{{{\n",
        &format!("{{{{{{\n---\n{RC}{deny}"),
        &format!("{RC}{deny}").replace("v1beta1", "v1alpha1"),
        &format!("{RC}{deny}").replace("v1beta1", "v1"),
        &format!("{RC}{deny}").replace("Preference", "Other"),
        r#"{"apiVersion":"kubectl.config.k8s.io/v1beta1","kind":"Preference","credentialPluginPolicy":"DenyAll"}"#,
    ] {
        cases.push(Case { kuberc: Some(whole.into()), ..Case::https(EXEC) });
    }
    for (variable, value) in [
        ("KUBERC", "off"),
        ("KUBERC", "DIR/other"),
        ("KUBERC", "DIR/missing"),
        ("KUBERC", "DIR/broken"),
        ("KUBERC", ""),
        ("KUBECTL_KUBERC", "False"),
        ("KUBECTL_KUBERC", "true"),
    ] {
        cases.push(Case::kuberc(deny).variable(variable, value));
        cases.push(Case::https(EXEC).variable(variable, value));
    }
    for flag in ["--kuberc=DIR/other", "--kuberc=DIR/missing", "--kuberc=DIR/broken"] {
        cases.push(Case::https(EXEC).flags(&[flag]));
        cases.push(Case::https("token: t").flags(&[flag]));
        cases.push(Case::https(EXEC).flags(&[flag]).variable("KUBERC", "off"));
        cases.push(Case::https(EXEC).flags(&[flag]).variable("KUBERC", "DIR/broken"));
    }
    cases
}

/// Both programs send the same credentials to the same servers, and run the plugin and fail in the same cases.
fn credentials_match_kubectl(ctx: &Ctx) -> Result<(), Failed> {
    let test_bed = TestBed::start()?;
    let (kubectl, ours) = (ctx.programs.join("kubectl"), PathBuf::from(env!("CARGO_BIN_EXE_kubectl-ds")));
    let mut cases = cases();
    let has_policies = kubectl_minor(&kubectl)? >= KUBERC_POLICY_MINOR;
    cases.retain(|case| has_policies || !case.uses_kuberc());
    let (mut differences, mut sent, mut ran) = (Vec::new(), 0, 0);
    for case in &cases {
        let ((theirs, their_stderr), (own, own_stderr)) = (test_bed.run(&kubectl, case)?, test_bed.run(&ours, case)?);
        sent += usize::from(theirs.first.as_ref().is_some_and(|(_, authorization, _)| authorization.is_some()));
        ran += usize::from(theirs.plugin_ran);
        if theirs != own {
            let Case { server, user, flags, variables, kuberc, .. } = case;
            differences.push(format!(
                "{server} {{{user}}} {flags:?} {variables:?} {kuberc:?}\n  \
                 kubectl {theirs:?} {their_stderr}\n  ours    {own:?} {own_stderr}"
            ));
        }
    }
    eprintln!("{} cases: credentials in {sent}, the plugin ran in {ran}", cases.len());
    // Without the cases about policies, the plugin runs in 12.
    let least = if has_policies { 21 } else { 12 };
    ensure(sent > 20 && ran >= least, || {
        format!("too few cases with credentials ({sent}) or with the plugin ({ran})")
    })?;
    ensure(differences.is_empty(), || format!("{} differences:\n{}", differences.len(), differences.join("\n")))
}

/// The minor version of kubectl: the 36 of 1.36.
fn kubectl_minor(kubectl: &Path) -> Result<u32, Failed> {
    let output = Command::new(kubectl).args(["version", "--client", "-o", "json"]).output()?;
    let version: Value = serde_json::from_slice(&output.stdout)?;
    version["clientVersion"]["minor"]
        .as_str()
        .and_then(|minor| minor.parse().ok())
        .ok_or_else(|| format!("no minor version of kubectl: {version}").into())
}

/// The one case in which this program sends less: Go's HTTP client, and so kubectl, sends the user name and the
/// password of a URL without TLS with each request.
fn password_in_http_url_is_not_sent(ctx: &Ctx) -> Result<(), Failed> {
    let test_bed = TestBed::start()?;
    let case = Case::new("http://name:s3cret@127.0.0.1:HTTP", "token: t");
    let (theirs, _) = test_bed.run(&ctx.programs.join("kubectl"), &case)?;
    let basic = Some(("http", Some("Basic bmFtZTpzM2NyZXQ=".to_owned()), None));
    ensure(theirs.first == basic, || format!("kubectl has changed: {theirs:?}"))?;
    let (own, stderr) = test_bed.run(Path::new(env!("CARGO_BIN_EXE_kubectl-ds")), &case.flags(&["-v=9"]))?;
    ensure(own == Outcome { success: true, first: Some(("http", None, None)), plugin_ran: false }, || {
        format!("{own:?}")
    })?;
    ensure(stderr.contains("/version") && !stderr.contains("s3cret"), || stderr)
}
