//! The same kubeconfigs with kubectl and with this program, against servers that record what they are sent: who gets
//! which credentials, and when a credential plugin runs.

mod recorder;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use libtest_mimic::Failed;
use tempfile::TempDir;

use self::recorder::Recorder;
use crate::Ctx;
use crate::harness::client::{ensure, failed};

const EXEC: &str =
    "exec: {command: ./plugin, apiVersion: client.authentication.k8s.io/v1, interactiveMode: IfAvailable}";
const RC: &str = "apiVersion: kubectl.config.k8s.io/v1beta1\nkind: Preference\n";

/// A kubeconfig and the flags and variables beside it. `HTTP` and `HTTPS` stand for the ports of the servers, `DIR`
/// for the folder with the kubeconfig.
#[derive(Clone)]
struct Row {
    server: String,
    cluster: String,
    user: String,
    context_user: &'static str,
    flags: Vec<&'static str>,
    variables: Vec<(&'static str, String)>,
    kuberc: Option<String>,
}

impl Row {
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

    /// A plugin for a server with TLS, under that kuberc file.
    fn kuberc(text: &str) -> Self {
        Self { kuberc: Some(format!("{RC}{text}")), ..Self::https(EXEC) }
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

/// What a program did with a row.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    success: bool,
    /// Name of the server, `Authorization` and `Impersonate-User` of the first request.
    first: Option<(&'static str, Option<String>, Option<String>)>,
    plugin_ran: bool,
}

/// The servers, and the folder that the programs run in.
struct Scenario {
    folder: TempDir,
    http: Recorder,
    https: Recorder,
}

impl Scenario {
    fn start() -> Result<Self, Failed> {
        let folder = TempDir::new()?;
        let answer = r#"{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"from-plugin"}}"#;
        let script = format!("#!/bin/sh\necho run >> {}\necho '{answer}'\n", folder.path().join("runs").display());
        fs::write(folder.path().join("plugin"), script)?;
        fs::set_permissions(folder.path().join("plugin"), fs::Permissions::from_mode(0o755))?;
        fs::write(folder.path().join("token"), "from-file\n")?;
        fs::create_dir_all(folder.path().join("home/.kube"))?;
        fs::write(folder.path().join("other"), format!("{RC}credentialPluginPolicy: DenyAll\n"))?;
        fs::write(folder.path().join("broken"), "x: 1\n")?;
        Ok(Self { folder, http: Recorder::start("http", false)?, https: Recorder::start("https", true)? })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn filled(&self, text: &str) -> String {
        text.replace("HTTPS", &self.https.port().to_string())
            .replace("HTTP", &self.http.port().to_string())
            .replace("DIR", &self.folder.path().display().to_string())
    }

    /// What a program does with the row, and what it says.
    fn run(&self, program: &Path, row: &Row) -> Result<(Seen, String), Failed> {
        let Row { server, cluster, user, context_user, flags, variables, kuberc } = row;
        let kubeconfig = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: c\n\
             contexts: [{{name: c, context: {{cluster: c, user: {context_user}}}}}]\n\
             clusters: [{{name: c, cluster: {{server: '{server}', {cluster}}}}}]\nusers: [{{name: u, user: {{{user}}}}}]\n"
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
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let first = self.http.take().into_iter().chain(self.https.take()).next();
        Ok((Seen { success: output.status.success(), first, plugin_ran: runs.exists() }, said))
    }
}

/// Where both do the same.
fn rows() -> Vec<Row> {
    let bare = EXEC.replace("./plugin", "plugin");
    let always = EXEC.replace("IfAvailable", "Always");
    let allow = |entries: &str| format!("credentialPluginPolicy: Allowlist\ncredentialPluginAllowlist: {entries}\n");
    let deny = "credentialPluginPolicy: DenyAll\n";
    let mut rows = Vec::new();
    // Each way to identify a user, with TLS and without.
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
        for row in [Row::https(user), Row::http(user)] {
            rows.push(row.clone());
            rows.push(row.clone().flags(&["--token=flag"]));
            rows.push(row.flags(&["--as=jane"]));
        }
    }
    // Which server counts.
    for user in ["token: t", EXEC] {
        rows.push(Row::https(user).flags(&["--server=http://127.0.0.1:HTTP"]));
        rows.push(Row::http(user).flags(&["--server=https://127.0.0.1:HTTPS"]));
        rows.push(Row::https(user).flags(&["-s", "127.0.0.1:HTTP"]));
        rows.push(Row::new("127.0.0.1:HTTP", user));
        rows.push(Row::new("HTTPS://127.0.0.1:HTTPS".replacen("HTTPS", "Https", 1).as_str(), user));
        rows.push(Row::new("https://name:password@127.0.0.1:HTTPS", user));
        rows.push(Row { context_user: "missing", ..Row::http(user) });
        for certificate in ["certificate-authority: missing", "certificate-authority-data: eA=="] {
            rows.push(Row { cluster: certificate.into(), ..Row::http(user) });
        }
    }
    // Where a bare name is looked for.
    for path in ["/usr/bin", ".:/usr/bin", ":/usr/bin", "/usr/bin:", "DIR", ".:DIR", "DIR:.", "home/..:DIR"] {
        rows.push(Row::https(&bare).variable("PATH", path));
    }
    rows.push(Row::https(&bare.replace("interactive", "env: [{name: PATH, value: 'DIR'}], interactive")));
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
        rows.push(Row::kuberc(text));
        rows.push(Row::kuberc(text).variable("PATH", "DIR:/bin"));
        rows.push(Row::kuberc(text).variable("PATH", "DIR:/bin").user(&bare));
        rows.push(Row::kuberc(text).user("token: t"));
        rows.push(Row { server: "http://127.0.0.1:HTTP".into(), ..Row::kuberc(text) });
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
        rows.push(Row { kuberc: Some(whole.into()), ..Row::https(EXEC) });
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
        rows.push(Row::kuberc(deny).variable(variable, value));
        rows.push(Row::https(EXEC).variable(variable, value));
    }
    for flag in ["--kuberc=DIR/other", "--kuberc=DIR/missing", "--kuberc=DIR/broken"] {
        rows.push(Row::https(EXEC).flags(&[flag]));
        rows.push(Row::https("token: t").flags(&[flag]));
        rows.push(Row::https(EXEC).flags(&[flag]).variable("KUBERC", "off"));
        rows.push(Row::https(EXEC).flags(&[flag]).variable("KUBERC", "DIR/broken"));
    }
    rows
}

/// Both programs send the same credentials to the same servers, run the plugin for the same rows, and fail alike.
pub(crate) fn equal_kubectl(ctx: &Ctx) -> Result<(), Failed> {
    let scenario = Scenario::start()?;
    let (kubectl, ours) = (ctx.programs.join("kubectl"), PathBuf::from(env!("CARGO_BIN_EXE_kubectl-ds")));
    let rows = rows();
    let (mut differences, mut sent, mut ran) = (Vec::new(), 0, 0);
    for row in &rows {
        let ((theirs, their_words), (seen, words)) = (scenario.run(&kubectl, row)?, scenario.run(&ours, row)?);
        sent += usize::from(theirs.first.as_ref().is_some_and(|(_, authorization, _)| authorization.is_some()));
        ran += usize::from(theirs.plugin_ran);
        if theirs != seen {
            let Row { server, user, flags, variables, kuberc, .. } = row;
            differences.push(format!(
                "{server} {{{user}}} {flags:?} {variables:?} {kuberc:?}\n  kubectl {theirs:?} {their_words}\n  ours    {seen:?} {words}"
            ));
        }
    }
    eprintln!("{} rows: credentials in {sent}, the plugin ran in {ran}", rows.len());
    ensure(sent > 20 && ran > 20, || format!("too little was compared: {sent} and {ran}"))?;
    ensure(differences.is_empty(), || format!("{} differences:\n{}", differences.len(), differences.join("\n")))
}

/// The one place where this program sends less: kubectl sends the name and the password in the URL of a server without
/// TLS, which Go's HTTP client adds to each request.
pub(crate) fn password_in_a_plain_url(ctx: &Ctx) -> Result<(), Failed> {
    let scenario = Scenario::start()?;
    let row = Row::new("http://name:s3cret@127.0.0.1:HTTP", "token: t");
    let (theirs, _) = scenario.run(&ctx.programs.join("kubectl"), &row)?;
    let basic = Some(("http", Some("Basic bmFtZTpzM2NyZXQ=".to_owned()), None));
    ensure(theirs.first == basic, || format!("kubectl does otherwise now: {theirs:?}"))?;
    let (seen, words) = scenario.run(Path::new(env!("CARGO_BIN_EXE_kubectl-ds")), &row.flags(&["-v=9"]))?;
    ensure(seen == Seen { success: true, first: Some(("http", None, None)), plugin_ran: false }, || {
        format!("{seen:?}")
    })?;
    ensure(words.contains("/version") && !words.contains("s3cret"), || failed(&words).message().unwrap_or("").into())
}
