//! The directory of a control plane: its files, and the arguments of its programs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use libtest_mimic::Failed;

/// A node with this label (any value) has no kubelet: no Lease, no heartbeat, and its pods do not change.
pub(crate) const SILENT: &str = "ds.test/silent";

/// A jq expression for a pod's behavior, from its annotations `ds.test/<behavior>`; see stages.yaml.
const BEHAVIOR: &str = concat!(
    r#".spec.nodeName as $node | (.metadata.annotations // {}) as $a"#,
    r#" | [ ("crash", "no-image", "starting", "never-ready", "failed", "succeeded", "slow")"#,
    r#" | select(($a["ds.test/" + .] // "") | split(",") | any(. == "*" or . == $node)) ] | .[0] // "ready""#,
);

/// Users and their groups. The first has all permissions, the others those that a test grants.
/// The kubeconfig has a context for each, and one called `expired`, whose token is not valid.
const USERS: [(&str, &str); 4] = [("admin", "system:masters"), ("pods-only", ""), ("nodes-only", ""), ("nobody", "")];

/// Logs each request, without the objects, and of a deletion of a pod the options.
const AUDIT_POLICY: &str = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n\
    - level: Request\n  verbs: [delete]\n  resources: [{group: '', resources: [pods]}]\n\
    - level: Metadata\n";

/// Paths, ports and the arguments that contain them.
pub(crate) struct PlaneLayout {
    dir: PathBuf,
    pub(crate) kubeconfig: PathBuf,
    pub(crate) server: String,
}

impl PlaneLayout {
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

    /// The key that etcd generates for peer connections. It also signs the service accounts' tokens, so that no other
    /// program has to generate a key and none is in the repository.
    pub(crate) fn token_key(&self) -> PathBuf {
        self.dir.join("etcd/fixtures/peer/key.pem")
    }

    /// The certificate that the API server generates for itself, with its issuer.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.dir.join("certificates/apiserver.crt")
    }

    pub(crate) fn write_files(&self) -> Result<(), Failed> {
        let users = USERS.map(|(user, groups)| format!("token-of-{user},{user},uid-{user},\"{groups}\"\n")).concat();
        std::fs::write(self.dir.join("users.csv"), users)?;
        std::fs::write(self.dir.join("audit.yaml"), AUDIT_POLICY)?;
        std::fs::write(self.dir.join("stages.yaml"), include_str!("stages.yaml").replace("BEHAVIOR", BEHAVIOR))?;
        let names: Vec<&str> = USERS.iter().map(|(user, _)| *user).chain(["expired"]).collect();
        let mut text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: admin\n\
             clusters:\n- name: plane\n  cluster:\n    server: {}\n    \
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

    /// The file of the audit log.
    pub(crate) fn audit_log(&self) -> PathBuf {
        self.dir.join("audit.log")
    }

    /// The arguments that turn the audit log on.
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
            // The service `kubernetes` must not have a loopback address; no test uses it.
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

    pub(crate) fn controllers(&self, port: u16, node_monitor_grace_period: Duration) -> Vec<String> {
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
            // Silent nodes are detected and tainted within seconds, all of them.
            "--node-monitor-period=1s".into(),
            format!("--node-monitor-grace-period={}s", node_monitor_grace_period.as_secs()),
            format!("--node-startup-grace-period={}s", node_monitor_grace_period.as_secs()),
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
