//! The folder of a plane: which file is where, and with which arguments its programs start.

use std::path::{Path, PathBuf};
use std::time::Duration;

use libtest_mimic::Failed;

/// A node with this label (any value) has no kubelet any more: no lease, no heartbeat, nothing happens to its pods.
pub(crate) const SILENT: &str = "ds.test/silent";

/// Reads a pod's annotations `ds.test/<behaviour>`, see stages.yaml. A jq expression.
const BEHAVIOUR: &str = r#".spec.nodeName as $node | (.metadata.annotations // {}) as $a | [ ("crash", "no-image", "starting", "never-ready", "failed", "succeeded", "slow") | select(($a["ds.test/" + .] // "") | split(",") | any(. == "*" or . == $node)) ] | .[0] // "ready""#;

/// Whom a plane knows: user, groups. The first may do everything, the others what a test grants them.
/// The kubeconfig has a context for each, and `expired`, whose token nobody knows.
const USERS: [(&str, &str); 4] = [("admin", "system:masters"), ("pods-only", ""), ("nodes-only", ""), ("nobody", "")];

/// Who asked for what, but not the objects themselves.
const AUDIT: &str = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n- level: Metadata\n";

/// Where things are, and the arguments that say so.
pub(crate) struct Layout {
    dir: PathBuf,
    pub(crate) kubeconfig: PathBuf,
    pub(crate) server: String,
}

impl Layout {
    pub(crate) fn new(dir: &Path, server_port: u16) -> Self {
        Self {
            dir: dir.to_owned(),
            kubeconfig: dir.join("kubeconfig"),
            server: format!("https://127.0.0.1:{server_port}"),
        }
    }

    fn path(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }

    /// The key that etcd makes for its peers, which it has none of. It signs the service accounts' tokens: so no
    /// key needs to be made by another program, or kept in the repository.
    pub(crate) fn token_key(&self) -> PathBuf {
        self.dir.join("etcd/fixtures/peer/key.pem")
    }

    /// The certificate that the API server makes for itself, with its issuer.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.dir.join("certificates/apiserver.crt")
    }

    pub(crate) fn write_files(&self) -> Result<(), Failed> {
        let users = USERS.map(|(user, groups)| format!("token-of-{user},{user},uid-{user},\"{groups}\"\n")).concat();
        std::fs::write(self.dir.join("users.csv"), users)?;
        std::fs::write(self.dir.join("audit.yaml"), AUDIT)?;
        std::fs::write(self.dir.join("stages.yaml"), include_str!("stages.yaml").replace("BEHAVIOUR", BEHAVIOUR))?;
        let names: Vec<&str> = USERS.iter().map(|(user, _)| *user).chain(["expired"]).collect();
        let mut text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: admin\nclusters:\n- name: plane\n  cluster:\n    server: {}\n    \
             certificate-authority: {}\nusers:\n",
            self.server,
            self.certificate().display()
        );
        for name in &names {
            text += &format!("- name: {name}\n  user: {{token: token-of-{name}}}\n");
        }
        text += "contexts:\n";
        for name in &names {
            text += &format!("- name: {name}\n  context: {{cluster: plane, user: {name}}}\n");
        }
        std::fs::write(&self.kubeconfig, text)?;
        Ok(())
    }

    pub(crate) fn etcd(&self, port: u16, peer_port: u16) -> Vec<String> {
        let url = format!("http://127.0.0.1:{port}");
        let peer = format!("https://127.0.0.1:{peer_port}");
        vec![
            format!("--data-dir={}", self.path("etcd")),
            format!("--listen-client-urls={url}"),
            format!("--advertise-client-urls={url}"),
            format!("--listen-peer-urls={peer}"),
            format!("--initial-advertise-peer-urls={peer}"),
            format!("--initial-cluster=default={peer}"),
            "--peer-auto-tls".into(),
            "--unsafe-no-fsync".into(),
            "--log-level=warn".into(),
        ]
    }

    /// Where the API server writes down who asked for what, when that is wanted.
    pub(crate) fn audit_log(&self) -> PathBuf {
        self.dir.join("audit.log")
    }

    /// What has it write that down.
    pub(crate) fn audit(&self) -> Vec<String> {
        vec![
            format!("--audit-log-path={}", self.audit_log().display()),
            format!("--audit-policy-file={}", self.path("audit.yaml")),
        ]
    }

    pub(crate) fn api_server(&self, etcd_port: u16, port: u16) -> Vec<String> {
        let key = self.token_key().display().to_string();
        vec![
            format!("--etcd-servers=http://127.0.0.1:{etcd_port}"),
            "--bind-address=127.0.0.1".into(),
            "--advertise-address=127.0.0.1".into(),
            // The service `kubernetes` may not have a loopback address; nothing here asks for it.
            "--endpoint-reconciler-type=none".into(),
            format!("--secure-port={port}"),
            format!("--cert-dir={}", self.path("certificates")),
            format!("--token-auth-file={}", self.path("users.csv")),
            "--authorization-mode=RBAC".into(),
            "--service-cluster-ip-range=10.96.0.0/16".into(),
            "--service-account-issuer=https://kubernetes.default.svc".into(),
            format!("--service-account-key-file={key}"),
            format!("--service-account-signing-key-file={key}"),
        ]
    }

    pub(crate) fn controllers(&self, port: u16, silence: Duration) -> Vec<String> {
        vec![
            format!("--kubeconfig={}", self.kubeconfig.display()),
            format!("--authentication-kubeconfig={}", self.kubeconfig.display()),
            format!("--authorization-kubeconfig={}", self.kubeconfig.display()),
            "--authorization-always-allow-paths=/healthz,/metrics".into(),
            "--bind-address=127.0.0.1".into(),
            format!("--secure-port={port}"),
            "--leader-elect=false".into(),
            format!("--service-account-private-key-file={}", self.token_key().display()),
            format!("--root-ca-file={}", self.certificate().display()),
            "--kube-api-qps=5000".into(),
            "--kube-api-burst=5000".into(),
            // Silent nodes are found, and tainted one and all, in seconds.
            "--node-monitor-period=1s".into(),
            format!("--node-monitor-grace-period={}s", silence.as_secs()),
            format!("--node-startup-grace-period={}s", silence.as_secs()),
            "--node-eviction-rate=1000".into(),
            "--secondary-node-eviction-rate=1000".into(),
            "--large-cluster-size-threshold=0".into(),
        ]
    }

    pub(crate) fn scheduler(&self, port: u16) -> Vec<String> {
        vec![
            format!("--kubeconfig={}", self.kubeconfig.display()),
            format!("--authentication-kubeconfig={}", self.kubeconfig.display()),
            format!("--authorization-kubeconfig={}", self.kubeconfig.display()),
            "--authorization-always-allow-paths=/healthz,/readyz,/livez,/metrics".into(),
            "--bind-address=127.0.0.1".into(),
            format!("--secure-port={port}"),
            "--leader-elect=false".into(),
            "--kube-api-qps=5000".into(),
            "--kube-api-burst=5000".into(),
        ]
    }

    pub(crate) fn kwok(&self, node_lease: u32) -> Vec<String> {
        vec![
            format!("--kubeconfig={}", self.kubeconfig.display()),
            format!("--config={}", self.path("stages.yaml")),
            format!("--manage-nodes-with-label-selector=!{SILENT}"),
            format!("--node-lease-duration-seconds={node_lease}"),
        ]
    }
}
