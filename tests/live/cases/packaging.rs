//! The release as a user installs it: from an archive, with the real krew, run by the real kubectl.
//!
//! krew and its validator come from `tests/krew/build.sh`, or from the directory in `DS_KREW`. Without them the test
//! prints that it is not run; with `CI=true` it fails.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use libtest_mimic::Failed;
use serde_json::json;

use crate::Ctx;
use crate::harness::client::{ensure, failed, wait_until};
use crate::harness::control_plane::ControlPlane as Plane;
use crate::harness::manifests::{daemon_set, node_with};
use crate::harness::registry::LiveTest;

pub(crate) const TESTS: &[LiveTest] = live_tests![krew_installs_it];

/// The targets of `release/project.py`. The machine that runs the tests is one of the first two.
const TARGETS: [&str; 5] = [
    "x86_64-unknown-linux-musl",
    "aarch64-unknown-linux-musl",
    "x86_64-apple-darwin",
    "aarch64-apple-darwin",
    "x86_64-pc-windows-msvc",
];
const NODES: [&str; 3] = ["node-a", "node-b", "node-c"];

/// The environment of a user. Its `PATH` has the programs of this test only: a `kubectl-ds` or a krew that the caller of
/// the test has installed would be found besides the one under test.
struct Laptop {
    kubeconfig: PathBuf,
    home: PathBuf,
    krew: PathBuf,
    path: Vec<PathBuf>,
}

impl Laptop {
    /// Runs a program to its end. An exit status other than 0 is an error.
    fn run(&self, words: &[&str]) -> Result<Output, Failed> {
        let (program, arguments) = words.split_first().ok_or_else(|| failed("no program"))?;
        // The program is looked up in the PATH that is set here, not in that of the test.
        let output = Command::new(program)
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::join_paths(&self.path).map_err(failed)?)
            .env("HOME", &self.home)
            .env("TMPDIR", &self.home)
            .env("KREW_ROOT", &self.krew)
            .env("KREW_NO_UPGRADE_CHECK", "1")
            .env("KUBECONFIG", &self.kubeconfig)
            .current_dir(&self.home)
            .stdin(Stdio::null())
            .output()?;
        ensure(output.status.success(), || {
            format!("{words:?}: {} {}{}", output.status, text(&output.stdout), text(&output.stderr))
        })?;
        Ok(output)
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// krew accepts the archives and their manifest, and the program that it installs works on a cluster.
pub(crate) fn krew_installs_it(ctx: &Ctx) -> Result<(), Failed> {
    let tools = match krew_programs() {
        Ok(tools) => tools,
        Err(missing) if std::env::var("CI").is_ok_and(|value| value == "true") => return Err(failed(missing)),
        Err(missing) => {
            eprintln!("{missing}: not tested");
            return Ok(());
        }
    };
    Plane::builder(&ctx.programs).start()?.run(async |plane| {
        let home = plane.dir().join("laptop");
        let archives = home.join("archives");
        fs::create_dir_all(&archives)?;
        pack(&archives)?;
        let krew = home.join("krew");
        let bin = home.join("bin");
        fs::create_dir(&bin)?;
        for (directory, program) in [
            (&ctx.programs, "kubectl"),
            (&tools, "kubectl-krew"),
            (&tools, "validate-krew-manifest"),
            (&directory_of("git")?, "git"),
        ] {
            symlink(fs::canonicalize(directory)?.join(program), bin.join(program))?;
        }
        let path = vec![krew.join("bin"), bin];
        let mut laptop = Laptop { kubeconfig: plane.kubeconfig().to_owned(), home, krew, path };

        let url = serve(archives.clone())?;
        let manifest = archives.join("ds.yaml");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("release/manifest.py");
        let output = Command::new(script).arg(&archives).args(["--from-url", &url]).output()?;
        ensure(output.status.success(), || text(&output.stderr))?;
        fs::write(&manifest, &output.stdout)?;
        let manifest = manifest.display().to_string();

        // It downloads and unpacks the archives of all five platforms.
        let said = laptop.run(&["validate-krew-manifest", "-manifest", &manifest])?;
        let said = text(&said.stderr);
        ensure(said.contains("all 5 spec.platforms installed fine"), || said)?;

        let archive = archives.join(archive_of(&archives, own_target())?).display().to_string();
        laptop.run(&["kubectl", "krew", "install", "--manifest", &manifest, "--archive", &archive])?;
        serves_the_cluster(plane, &mut laptop).await?;
        // krew uninstalls only if there is a clone of an index; its content does not matter.
        let index = laptop.krew.join("index/default").display().to_string();
        laptop.run(&["git", "init", "--quiet", &index])?;
        laptop.run(&["git", "-C", &index, "config", "remote.origin.url", "https://index.invalid"])?;
        laptop.run(&["kubectl", "krew", "uninstall", "ds"])?;
        let left = laptop.run(&["kubectl", "plugin", "list"])?;
        ensure(!text(&left.stdout).contains("kubectl-ds"), || text(&left.stdout))
    })
}

async fn serves_the_cluster(plane: &Plane, laptop: &mut Laptop) -> Result<(), Failed> {
    let version = text(&laptop.run(&["kubectl", "ds", "version"])?.stdout);
    ensure(version.contains(env!("CARGO_PKG_VERSION")) && version.contains("v1."), || version)?;

    let plugins = laptop.run(&["kubectl", "plugin", "list"])?;
    let (list, warnings) = (text(&plugins.stdout), text(&plugins.stderr));
    ensure(list.contains("kubectl-ds") && warnings.is_empty(), || format!("{list}{warnings}"))?;
    ensure(!list.contains("warning"), || list)?;

    for name in NODES {
        let metadata = json!({"labels": {"rack": name}, "annotations": {"kwok.x-k8s.io/node": "fake"}});
        plane.create(&node_with(name, &json!({"metadata": metadata}))).await?;
    }
    plane.create(&daemon_set("default", "agent", &json!({}))).await?;
    wait_until("coverage shows the agent on all nodes", async || {
        let shown = laptop.run(&["kubectl", "ds", "coverage", "agent"]);
        let shown = text(&shown.map_err(|failure| failure.message().unwrap_or_default().to_owned())?.stdout);
        if shown.contains("3 of 3 nodes covered") { Ok(()) } else { Err(shown) }
    })
    .await?;

    // The completion helper of the archive, on the PATH.
    let completions = laptop.krew.join(format!("store/ds/v{}/completions", env!("CARGO_PKG_VERSION")));
    laptop.path.push(completions);
    for (words, expected) in [
        (&["why-not", ""][..], &NODES[..]),
        (&["why-not", "node-b", ""], &["agent"]),
        (&["coverage", "ag"], &["agent"]),
        (&["coverage", "--by", "ra"], &["rack"]),
        (&["coverage", "-n", "kube-sys"], &["kube-system"]),
        (&["coverage", "-n", "kube-system", ""], &[]),
        (&["version", "--context", "pods"], &["pods-only"]),
        (&["why-not", "--context", "pods-only", ""], &[]),
        (&["rollout", "st"], &["status"]),
    ] {
        let words = [&["kubectl", "__complete", "ds"], words].concat();
        let answer = text(&laptop.run(&words)?.stdout);
        let names: Vec<&str> = answer.lines().map(|line| line.split('\t').next().unwrap_or_default()).collect();
        ensure(names.split_last().is_some_and(|(last, names)| *last == ":4" && names == expected), || {
            format!("{words:?}: {answer}")
        })?;
    }
    Ok(())
}

fn krew_programs() -> Result<PathBuf, String> {
    let folder = std::env::var_os("DS_KREW").map(PathBuf::from);
    let folder = folder.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/krew"));
    match ["kubectl-krew", "validate-krew-manifest"].iter().find(|program| !folder.join(program).is_file()) {
        None => Ok(folder),
        Some(missing) => Err(format!("{missing} is not in {}: run tests/krew/build.sh", folder.display())),
    }
}

/// The first directory of the caller's `PATH` that has the program.
fn directory_of(program: &str) -> Result<PathBuf, Failed> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut directories = std::env::split_paths(&path);
    let found = directories.find(|directory| directory.join(program).is_file());
    found.ok_or_else(|| failed(format!("{program} is not installed")))
}

fn own_target() -> &'static str {
    if cfg!(target_arch = "aarch64") { TARGETS[1] } else { TARGETS[0] }
}

/// Writes an archive for each platform with the release script: that of this machine has the program, the others have a
/// placeholder, which no test runs.
fn pack(folder: &Path) -> Result<(), Failed> {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = folder.join("program");
    // Debug information is most of the program's size.
    let stripped = Command::new("strip").arg("-o").arg(&program).arg(env!("CARGO_BIN_EXE_kubectl-ds")).status()?;
    ensure(stripped.success(), || format!("strip: {stripped}"))?;
    let stand_in = folder.join("stand-in");
    fs::write(&stand_in, "placeholder\n")?;
    for target in TARGETS {
        let binary = if target == own_target() { &program } else { &stand_in };
        let mut command = Command::new(home.join("release/archive.py"));
        // Cargo sets variables for its tests; a cargo that inherits them rebuilds what it has built. The rest of the
        // environment is the caller's, as that cargo needs its settings: toolchain, proxy, cache.
        for (name, _) in std::env::vars_os() {
            let is_kept = ["CARGO_HOME", "CARGO_TARGET_DIR"].iter().any(|kept| name == *kept);
            if name.to_string_lossy().starts_with("CARGO_") && !is_kept {
                command.env_remove(name);
            }
        }
        let output = command.arg(target).arg("--binary").arg(binary).arg("--into").arg(folder).output()?;
        ensure(output.status.success(), || format!("release/archive.py {target}: {}", text(&output.stderr)))?;
    }
    Ok(())
}

fn archive_of(folder: &Path, target: &str) -> Result<String, Failed> {
    let arch = if target.starts_with("aarch64") { "arm64" } else { "amd64" };
    let ending = format!("_linux_{arch}.tar.gz");
    let names = fs::read_dir(folder)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.into_iter().find(|name| name.ends_with(&ending)).ok_or_else(|| failed(format!("no archive {ending}")))
}

/// Serves the files of a directory, one request at a time, until the process ends. Returns the URL of the directory.
fn serve(folder: PathBuf) -> Result<String, Failed> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = format!("http://{}", listener.local_addr()?);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
            let request = lines.next().unwrap_or_default();
            lines.find(String::is_empty);
            let name = request.split(' ').nth(1).unwrap_or_default().trim_start_matches('/');
            let (status, body) = match fs::read(folder.join(name)) {
                Ok(body) => ("200 OK", body),
                Err(_) => ("404 Not Found", Vec::new()),
            };
            let length = body.len();
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
            // A client may close the connection early.
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
        }
    });
    Ok(address)
}
