//! A Kubernetes control plane for one test: etcd, kube-apiserver, kube-controller-manager, kube-scheduler, and kwok
//! instead of kubelets, on free loopback ports, in one temporary directory. All of it ends when the [`ControlPlane`] is
//! dropped, and also when the test process is killed.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use libtest_mimic::Failed;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::harness::client::{failed, wait_until, wait_until_within};
use crate::harness::plane_layout::PlaneLayout;
use crate::harness::ports;
use crate::harness::process::Process;

/// The programs of a control plane, as `tests/control-plane/build.sh` names them.
const PROGRAMS: [&str; 5] = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok"];

/// The first minor version that serves `resource.k8s.io/v1` (dynamic resource allocation).
pub(crate) const DRA_MINOR: u32 = 34;

/// How long a control plane may take to start on a busy machine.
const START_TIMEOUT: Duration = Duration::from_secs(120);

/// A running control plane.
pub(crate) struct ControlPlane {
    /// Declared before `dir`, which they write to: fields are dropped in their order.
    processes: Vec<Process>,
    runtime: Runtime,
    client: Client,
    /// Client for `/metrics` of the controller manager.
    controllers: Client,
    /// Client for `/metrics` of the scheduler.
    scheduler: Client,
    layout: PlaneLayout,
    started: Duration,
    dir: TempDir,
}

/// Options of a control plane.
pub(crate) struct Builder {
    programs: PathBuf,
    node_monitor_grace_period: Duration,
    /// In seconds.
    node_lease: u32,
    audit: Audit,
}

/// Whether the API server writes an audit log.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Audit {
    Off,
    Metadata,
}

impl Builder {
    /// Has the API server write an audit log, see [`ControlPlane::audit_log`].
    pub(crate) fn audited(mut self) -> Self {
        self.audit = Audit::Metadata;
        self
    }

    /// How long a node may be silent before it becomes NotReady. The default is short. A test without silent nodes
    /// takes a long period: on a busy machine kwok can be late with its heartbeats.
    pub(crate) fn node_monitor_grace_period(mut self, period: Duration) -> Self {
        self.node_monitor_grace_period = period;
        self.node_lease = u32::try_from(period.as_secs()).unwrap_or(40).max(4);
        self
    }

    /// Starts it, and waits until it is ready.
    pub(crate) fn start(self) -> Result<ControlPlane, Failed> {
        ControlPlane::launch(&self)
    }
}

impl ControlPlane {
    /// A control plane with the programs in `programs`.
    pub(crate) fn builder(programs: &Path) -> Builder {
        Builder {
            programs: programs.to_owned(),
            node_monitor_grace_period: Duration::from_secs(8),
            node_lease: 8,
            audit: Audit::Off,
        }
    }

    /// The directory with the programs, or an error that names the program that is missing.
    pub(crate) fn programs() -> Result<PathBuf, String> {
        let (dir, hint) = match std::env::var_os("DS_CONTROL_PLANE") {
            Some(dir) => (PathBuf::from(dir), "set by DS_CONTROL_PLANE"),
            None => {
                (Path::new(env!("CARGO_MANIFEST_DIR")).join("target/control-plane"), "run tests/control-plane/build.sh")
            }
        };
        match PROGRAMS.iter().find(|program| !dir.join(program).is_file()) {
            None => Ok(dir),
            Some(missing) => Err(format!("no control plane: {missing} is not in {} ({hint})", dir.display())),
        }
    }

    fn launch(builder: &Builder) -> Result<Self, Failed> {
        let begun = Instant::now();
        let dir = tempfile::Builder::new().prefix("plane-").tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let [etcd_port, peer_port, server_port, controllers_port, scheduler_port] = ports::free()?;
        let layout = PlaneLayout::new(dir.path(), server_port);
        layout.write_files()?;

        let start = |name: &str, arguments: Vec<String>| {
            Process::start(name, &builder.programs.join(name), &arguments, dir.path())
                .map_err(|error| Failed::from(format!("{name} does not start: {error}")))
        };
        let mut processes = vec![start("etcd", layout.etcd(etcd_port, peer_port))?];
        block_until(&mut processes, "etcd listens and has created its key", begun + START_TIMEOUT, || {
            layout.token_key().is_file() && TcpStream::connect(("127.0.0.1", etcd_port)).is_ok()
        })?;
        let audit = if builder.audit == Audit::Metadata { layout.audit() } else { Vec::new() };
        processes.push(start("kube-apiserver", [layout.api_server(etcd_port, server_port), audit].concat())?);
        // It creates its own certificate; no client can connect before that.
        block_until(
            &mut processes,
            "kube-apiserver listens and has created its certificate",
            begun + START_TIMEOUT,
            || layout.certificate().is_file() && TcpStream::connect(("127.0.0.1", server_port)).is_ok(),
        )?;
        processes.push(start(
            "kube-controller-manager",
            layout.controllers(controllers_port, builder.node_monitor_grace_period),
        )?);
        processes.push(start("kube-scheduler", layout.scheduler(scheduler_port))?);
        processes.push(start("kwok", layout.kwok(builder.node_lease))?);

        let (client, controllers, scheduler) = runtime.block_on(async {
            let config = Kubeconfig::read_from(&layout.kubeconfig).map_err(failed)?;
            let config = Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await.map_err(failed)?;
            let client = Client::try_from(config).map_err(failed)?;
            Ok::<_, Failed>((client, unverified(controllers_port)?, unverified(scheduler_port)?))
        })?;
        let mut plane =
            Self { processes, runtime, client, controllers, scheduler, layout, started: Duration::ZERO, dir };
        plane.wait_until_ready(begun + START_TIMEOUT)?;
        plane.started = begun.elapsed();
        Ok(plane)
    }

    /// Waits until every program reports that it is ready, and the controllers have created their first objects.
    fn wait_until_ready(&mut self, deadline: Instant) -> Result<(), Failed> {
        let left = || deadline.saturating_duration_since(Instant::now());
        let Self { processes, runtime, client, controllers, scheduler, .. } = self;
        let (client, controllers, scheduler) = (&*client, &*controllers, &*scheduler);
        let outcome = runtime.block_on(async {
            for (name, client, path) in [
                ("kube-apiserver", client, "/readyz"),
                ("kube-controller-manager", controllers, "/healthz"),
                ("kube-scheduler", scheduler, "/readyz"),
                (
                    "the service account of the namespace default",
                    client,
                    "/api/v1/namespaces/default/serviceaccounts/default",
                ),
                ("the namespace kube-node-lease", client, "/api/v1/namespaces/kube-node-lease"),
            ] {
                let description = format!("{name} is ready");
                let answer = wait_until_within(&description, left(), async || {
                    if let Some(process) = processes.iter_mut().find_map(|one| one.ended().map(|_| one)) {
                        let name = process.name().to_owned();
                        // Without an answer of a busy API server it ends, as in a cluster, where it is started again.
                        if name == "kube-controller-manager" || name == "kube-scheduler" {
                            process.start_again().map_err(|error| error.to_string())?;
                            return Err(format!("{name} was started again"));
                        }
                        // `Ok` ends the wait.
                        return Ok(Err(failed(format!("{name} ended during startup"))));
                    }
                    get_text(client, path).await.map(|_| Ok(())).map_err(|error| error.to_string())
                });
                answer.await??;
            }
            Ok(())
        });
        outcome.map_err(|failure: Failed| self.with_logs(failure))
    }

    /// Kills the API server; [`ControlPlane::start_api_server`] restarts it with the same etcd.
    pub(crate) fn stop_api_server(&mut self) -> Result<(), Failed> {
        Ok(self.process("kube-apiserver")?.stop()?)
    }

    /// Restarts the API server on the same port.
    pub(crate) fn start_api_server(&mut self) -> Result<(), Failed> {
        Ok(self.process("kube-apiserver")?.start_again()?)
    }

    /// Restarts the API server with another value of `--runtime-config`, which says what API versions it serves.
    pub(crate) fn restart_api_server_serving(&mut self, runtime_config: &str) -> Result<(), Failed> {
        let api_server = self.process("kube-apiserver")?;
        api_server.stop()?;
        api_server.start_with(&[&format!("--runtime-config={runtime_config}")])?;
        self.run(async |plane| {
            wait_until("the API server is ready", async || {
                get_text(&plane.client, "/readyz").await.map_err(|error| error.to_string())
            })
            .await
            .map(drop)
        })
    }

    /// Restarts the scheduler, which then tries every pending pod again, without memory of earlier attempts.
    pub(crate) fn restart_scheduler(&mut self) -> Result<(), Failed> {
        let scheduler = self.process("kube-scheduler")?;
        scheduler.stop()?;
        Ok(scheduler.start_again()?)
    }

    /// Kills the controllers: from then on nothing reacts to a change of the cluster but the scheduler and the kubelets.
    pub(crate) fn stop_controllers(&mut self) -> Result<(), Failed> {
        Ok(self.process("kube-controller-manager")?.stop()?)
    }

    /// Starts the controllers again, after [`ControlPlane::stop_controllers`].
    pub(crate) fn start_controllers(&mut self) -> Result<(), Failed> {
        Ok(self.process("kube-controller-manager")?.start_again()?)
    }

    fn process(&mut self, name: &str) -> Result<&mut Process, Failed> {
        let found = self.processes.iter_mut().find(|process| process.name() == name);
        found.ok_or_else(|| format!("no process {name}").into())
    }

    /// Runs `future` to completion. If it fails and a program ended meanwhile, the error contains the logs.
    pub(crate) fn run<T>(&mut self, future: impl AsyncFnOnce(&ControlPlane) -> Result<T, Failed>) -> Result<T, Failed> {
        let outcome = self.runtime.block_on(future(self));
        match outcome {
            Err(failure) if self.processes.iter_mut().any(|process| process.ended().is_some()) => {
                Err(self.with_logs(failure))
            }
            outcome => outcome,
        }
    }

    fn with_logs(&mut self, failure: Failed) -> Failed {
        logs_of(&mut self.processes, failure.message().unwrap_or("failed"))
    }

    /// A client with all permissions.
    pub(crate) fn client(&self) -> Client {
        self.client.clone()
    }

    /// The minor version of the API server: the 36 of 1.36.
    pub(crate) async fn minor(&self) -> Result<u32, Failed> {
        self.client.apiserver_version().await.map_err(failed)?.minor.parse().map_err(failed)
    }

    /// Whether the API server serves dynamic resource allocation. Before 1.34 it is off by default, and the API server
    /// drops `resourceClaims` from templates.
    pub(crate) async fn has_devices(&self) -> Result<bool, Failed> {
        Ok(self.minor().await? >= DRA_MINOR)
    }

    /// A kubeconfig with the contexts `admin` (current), `pods-only`, `nodes-only`, `nobody` and `expired`.
    pub(crate) fn kubeconfig(&self) -> &Path {
        &self.layout.kubeconfig
    }

    /// The audit log, one JSON object a line, if it is on (see [`Builder::audited`]).
    pub(crate) fn audit_log(&self) -> PathBuf {
        self.layout.audit_log()
    }

    /// How long the start took.
    pub(crate) fn started(&self) -> Duration {
        self.started
    }

    /// Its directory, which is deleted with it.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// How much the DaemonSet controller has to do: non-empty work queues and syncs in progress. Keys that are delayed
    /// (back-off of a failed pod, minReadySeconds) do not count.
    pub(crate) async fn daemon_set_backlog(&self) -> Result<u64, String> {
        let text = get_text(&self.controllers, "/metrics").await.map_err(|error| error.to_string())?;
        let read = |metric: &str, queue: &str| -> Result<f64, String> {
            let start = format!("{metric}{{name=\"{queue}\"}} ");
            text.lines()
                .find_map(|line| line.strip_prefix(&start))
                .ok_or_else(|| format!("the controller manager has no metric {start}"))?
                .parse()
                .map_err(|error| format!("{metric}: {error}"))
        };
        let mut backlog = 0;
        for queue in ["daemonset", "daemonset-node-updates"] {
            let depth = read("workqueue_depth", queue)?;
            let unfinished = read("workqueue_unfinished_work_seconds", queue)?;
            backlog += u64::from(depth > 0.0) + u64::from(unfinished > 0.0);
        }
        Ok(backlog)
    }

    /// How many pods the scheduler has in each of its queues: `active`, `backoff`, `unschedulable` (every attempt since
    /// its start failed) and `gated`.
    pub(crate) async fn scheduler_queues(&self) -> Result<[u64; 4], String> {
        let text = get_text(&self.scheduler, "/metrics").await.map_err(|error| error.to_string())?;
        let mut sizes = [0; 4];
        for (size, queue) in sizes.iter_mut().zip(["active", "backoff", "unschedulable", "gated"]) {
            let start = format!("scheduler_pending_pods{{queue=\"{queue}\"}} ");
            // A queue has no metric before it has its first pod.
            if let Some(value) = text.lines().find_map(|line| line.strip_prefix(&start)) {
                let value: f64 = value.parse().map_err(|error| format!("{start}{error}"))?;
                *size = value as u64;
            }
        }
        Ok(sizes)
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        // All at the same time; then each `Process` waits for its own exit.
        self.processes.iter_mut().for_each(Process::kill);
    }
}

/// A client for a program with a self-signed certificate.
fn unverified(port: u16) -> Result<Client, Failed> {
    let mut config = Config::new(format!("https://127.0.0.1:{port}").parse().map_err(failed)?);
    config.accept_invalid_certs = true;
    Client::try_from(config).map_err(failed)
}

async fn get_text(client: &Client, path: &str) -> Result<String, kube::Error> {
    client.request_text(http::Request::get(path).body(Vec::new()).map_err(kube::Error::HttpError)?).await
}

/// Waits for a condition that needs no client; fails early if a program ends.
fn block_until(
    processes: &mut [Process],
    description: &str,
    deadline: Instant,
    condition: impl Fn() -> bool,
) -> Result<(), Failed> {
    while !condition() {
        if processes.iter_mut().any(|process| process.ended().is_some()) {
            return Err(logs_of(processes, &format!("a program ended before this: {description}")));
        }
        if Instant::now() > deadline {
            return Err(logs_of(processes, &format!("timed out: {description}")));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn logs_of(processes: &mut [Process], message: &str) -> Failed {
    let mut text = format!("{message}\n");
    for process in processes {
        if let Some(status) = process.ended() {
            text += &format!("  {} ended: {status}\n", process.name());
        }
        text += &process.log_tail(15);
    }
    Failed::from(text)
}
