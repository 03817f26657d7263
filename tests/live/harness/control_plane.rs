//! A whole Kubernetes control plane for one test: etcd, kube-apiserver, kube-controller-manager,
//! kube-scheduler, and kwok in the place of every kubelet, on free loopback ports, below one
//! temporary folder. Everything goes when the [`Plane`] is dropped, and also when the test process
//! is killed.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use libtest_mimic::Failed;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::client::{failed, wait_until_within};
use crate::layout::Layout;
use crate::ports;
use crate::process::Process;

/// The programs a plane is made of, as `tests/control-plane/build.sh` names them.
const PROGRAMS: [&str; 5] = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok"];

/// The first minor version with devices (`resource.k8s.io/v1`).
pub(crate) const DEVICES: u32 = 34;

/// How long a plane may take to start on a busy machine.
const START: Duration = Duration::from_secs(120);

/// A running control plane.
pub(crate) struct Plane {
    /// Before the folder that they write to.
    processes: Vec<Process>,
    runtime: Runtime,
    client: Client,
    /// For `/metrics` of the controller manager.
    controllers: Client,
    /// For `/metrics` of the scheduler.
    scheduler: Client,
    layout: Layout,
    started: Duration,
    dir: TempDir,
}

/// How a plane differs from the default one.
pub(crate) struct Builder {
    programs: PathBuf,
    silence: Duration,
    node_lease: u32,
    is_audited: bool,
}

impl Builder {
    /// Has the API server write down who asks for what, see [`Plane::audit_log`].
    pub(crate) fn audited(mut self) -> Self {
        self.is_audited = true;
        self
    }

    /// After how much silence a node becomes NotReady. The default is short; a test that leaves
    /// nodes alone may want it long.
    #[allow(dead_code, reason = "no test of today waits for less")]
    pub(crate) fn node_monitor_grace_period(mut self, silence: Duration) -> Self {
        self.silence = silence;
        self.node_lease = u32::try_from(silence.as_secs()).unwrap_or(40).max(4);
        self
    }

    /// Starts it, and waits until it answers.
    pub(crate) fn start(self) -> Result<Plane, Failed> {
        Plane::launch(&self)
    }
}

impl Plane {
    /// A plane with the programs of `programs`.
    pub(crate) fn builder(programs: &Path) -> Builder {
        Builder { programs: programs.to_owned(), silence: Duration::from_secs(8), node_lease: 8, is_audited: false }
    }

    /// The folder with the programs, or why there is none.
    pub(crate) fn programs() -> Result<PathBuf, String> {
        let (dir, remedy) = match std::env::var_os("DS_CONTROL_PLANE") {
            Some(dir) => (PathBuf::from(dir), "set by DS_CONTROL_PLANE"),
            None => {
                (Path::new(env!("CARGO_MANIFEST_DIR")).join("target/control-plane"), "run tests/control-plane/build.sh")
            }
        };
        match PROGRAMS.iter().find(|program| !dir.join(program).is_file()) {
            None => Ok(dir),
            Some(missing) => Err(format!("no control plane: {missing} is not in {} ({remedy})", dir.display())),
        }
    }

    fn launch(builder: &Builder) -> Result<Self, Failed> {
        let begun = Instant::now();
        let dir = tempfile::Builder::new().prefix("plane-").tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let [etcd_port, peer_port, server_port, controllers_port, scheduler_port] = ports::free()?;
        let layout = Layout::new(dir.path(), server_port);
        layout.write_files()?;

        let start = |name: &str, arguments: Vec<String>| {
            Process::start(name, &builder.programs.join(name), &arguments, dir.path())
                .map_err(|error| Failed::from(format!("{name} does not start: {error}")))
        };
        let mut processes = vec![start("etcd", layout.etcd(etcd_port, peer_port))?];
        block_until(&mut processes, "etcd listens and has made its key", begun + START, || {
            layout.token_key().is_file() && TcpStream::connect(("127.0.0.1", etcd_port)).is_ok()
        })?;
        let audit = if builder.is_audited { layout.audit() } else { Vec::new() };
        processes.push(start("kube-apiserver", [layout.api_server(etcd_port, server_port), audit].concat())?);
        // Its certificate is its own work; nobody can connect before it is there.
        block_until(&mut processes, "kube-apiserver listens and has made its certificate", begun + START, || {
            layout.certificate().is_file() && TcpStream::connect(("127.0.0.1", server_port)).is_ok()
        })?;
        processes.push(start("kube-controller-manager", layout.controllers(controllers_port, builder.silence))?);
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
        plane.ready(begun + START)?;
        plane.started = begun.elapsed();
        Ok(plane)
    }

    /// Waits until all of it works: every program says so, and the controllers have done their first work.
    fn ready(&mut self, deadline: Instant) -> Result<(), Failed> {
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
                    if let Some(process) = processes.iter_mut().find_map(|one| one.ended().map(|_| one.name())) {
                        // No use in waiting any longer: an answer that is none.
                        return Ok(Err(failed(format!("{process} ended at once"))));
                    }
                    get_text(client, path).await.map(|_| Ok(())).map_err(|error| error.to_string())
                });
                answer.await??;
            }
            Ok(())
        });
        outcome.map_err(|failure: Failed| self.with_logs(failure))
    }

    /// Kills the API server; [`Plane::start_api_server`] brings it back with all that it knew.
    pub(crate) fn stop_api_server(&mut self) -> Result<(), Failed> {
        Ok(self.process("kube-apiserver")?.stop()?)
    }

    /// Starts the API server again where it was.
    pub(crate) fn start_api_server(&mut self) -> Result<(), Failed> {
        Ok(self.process("kube-apiserver")?.start_again()?)
    }

    /// Takes the scheduler down and up again: it then tries every waiting pod anew, whatever it knew of it.
    pub(crate) fn restart_scheduler(&mut self) -> Result<(), Failed> {
        let scheduler = self.process("kube-scheduler")?;
        scheduler.stop()?;
        Ok(scheduler.start_again()?)
    }

    fn process(&mut self, name: &str) -> Result<&mut Process, Failed> {
        let found = self.processes.iter_mut().find(|process| process.name() == name);
        found.ok_or_else(|| format!("there is no {name}").into())
    }

    /// Runs `future` to its end. When it fails, the logs of programs that ended meanwhile are told too.
    pub(crate) fn run<T>(&mut self, future: impl AsyncFnOnce(&Plane) -> Result<T, Failed>) -> Result<T, Failed> {
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

    /// A client with all rights.
    pub(crate) fn client(&self) -> Client {
        self.client.clone()
    }

    /// The minor version of the API server: the 36 of 1.36.
    pub(crate) async fn minor(&self) -> Result<u32, Failed> {
        self.client.apiserver_version().await.map_err(failed)?.minor.parse().map_err(failed)
    }

    /// Whether the API server knows devices. Before 1.34 they are off by default, and it drops what templates say of claims.
    pub(crate) async fn has_devices(&self) -> Result<bool, Failed> {
        Ok(self.minor().await? >= DEVICES)
    }

    /// A file for kubectl and its plugins; its contexts are `admin` (current), `pods-only`, `nodes-only`, `nobody` and `expired`.
    pub(crate) fn kubeconfig(&self) -> &Path {
        &self.layout.kubeconfig
    }

    /// What was asked of the API server, a JSON object a line, where the plane is audited.
    pub(crate) fn audit_log(&self) -> PathBuf {
        self.layout.audit_log()
    }

    /// The API server's URL.
    #[allow(dead_code, reason = "for messages")]
    pub(crate) fn server(&self) -> &str {
        &self.layout.server
    }

    /// How long it took to start.
    pub(crate) fn started(&self) -> Duration {
        self.started
    }

    /// A folder that goes with the plane.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// What the DaemonSet controller has before it: keys in its queue and syncs at work. Keys that wait for a later
    /// time (a failed pod's back-off, minReadySeconds) are not among them.
    pub(crate) async fn daemon_set_work(&self) -> Result<u64, String> {
        let text = get_text(&self.controllers, "/metrics").await.map_err(|error| error.to_string())?;
        let read = |metric: &str, queue: &str| -> Result<f64, String> {
            let start = format!("{metric}{{name=\"{queue}\"}} ");
            text.lines()
                .find_map(|line| line.strip_prefix(&start))
                .ok_or_else(|| format!("the controller manager has no metric {start}"))?
                .parse()
                .map_err(|error| format!("{metric}: {error}"))
        };
        let mut work = 0;
        for queue in ["daemonset", "daemonset-node-updates"] {
            let depth = read("workqueue_depth", queue)?;
            let unfinished = read("workqueue_unfinished_work_seconds", queue)?;
            work += u64::from(depth > 0.0) + u64::from(unfinished > 0.0);
        }
        Ok(work)
    }

    /// How many pods the scheduler has in each of its queues: `active`, `backoff`, `unschedulable` (tried in vain since
    /// it was started) and `gated`.
    pub(crate) async fn scheduler_queues(&self) -> Result<[u64; 4], String> {
        let text = get_text(&self.scheduler, "/metrics").await.map_err(|error| error.to_string())?;
        let mut sizes = [0; 4];
        for (size, queue) in sizes.iter_mut().zip(["active", "backoff", "unschedulable", "gated"]) {
            let start = format!("scheduler_pending_pods{{queue=\"{queue}\"}} ");
            // A queue that nothing was in yet is not among the metrics.
            if let Some(value) = text.lines().find_map(|line| line.strip_prefix(&start)) {
                let value: f64 = value.parse().map_err(|error| format!("{start}{error}"))?;
                *size = value as u64;
            }
        }
        Ok(sizes)
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        // All at once; each `Process` then waits for its own end.
        self.processes.iter_mut().for_each(Process::kill);
    }
}

/// A client for a program that serves with a certificate nobody knows.
fn unverified(port: u16) -> Result<Client, Failed> {
    let mut config = Config::new(format!("https://127.0.0.1:{port}").parse().map_err(failed)?);
    config.accept_invalid_certs = true;
    Client::try_from(config).map_err(failed)
}

async fn get_text(client: &Client, path: &str) -> Result<String, kube::Error> {
    client.request_text(http::Request::get(path).body(Vec::new()).map_err(kube::Error::HttpError)?).await
}

/// Waits for something that needs no client, and fails early when a program ends.
fn block_until(
    processes: &mut [Process],
    description: &str,
    deadline: Instant,
    condition: impl Fn() -> bool,
) -> Result<(), Failed> {
    while !condition() {
        if processes.iter_mut().any(|process| process.ended().is_some()) {
            return Err(logs_of(processes, &format!("a program ended while waiting until {description}")));
        }
        if Instant::now() > deadline {
            return Err(logs_of(processes, &format!("waited in vain until {description}")));
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
