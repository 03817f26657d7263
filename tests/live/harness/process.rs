//! A program of the control plane, with a log file. It never outlives the test process.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Runs `"$@"` and kills it when standard input ends: the kernel closes the pipe however the parent dies. If the
/// program ends first, its exit code is passed on.
const WATCHDOG: &str = r#"
exec 3<&0
"$@" </dev/null 3<&- &
program=$!
{ read -r _; kill -KILL "$program"; } <&3 2>/dev/null &
reader=$!
exec 3<&-
wait "$program"
code=$?
kill -KILL "$reader" 2>/dev/null
exit "$code"
"#;

/// A running program. Dropping it kills it.
pub(crate) struct Process {
    name: String,
    program: PathBuf,
    arguments: Vec<String>,
    dir: PathBuf,
    log: PathBuf,
    watchdog: Child,
    /// The pipe that the watchdog reads.
    lifeline: Option<ChildStdin>,
}

impl Process {
    /// Starts `program` with its output in `<name>.log` in `dir`, and with `dir` as its HOME.
    pub(crate) fn start(name: &str, program: &Path, arguments: &[String], dir: &Path) -> io::Result<Self> {
        let log = dir.join(format!("{name}.log"));
        File::create(&log)?;
        let (watchdog, lifeline) = spawn(name, program, arguments, dir, &log)?;
        let (program, arguments, dir) = (program.to_owned(), arguments.to_owned(), dir.to_owned());
        Ok(Self { name: name.to_owned(), program, arguments, dir, log, watchdog, lifeline })
    }

    /// Kills it and waits until it has ended.
    pub(crate) fn stop(&mut self) -> io::Result<()> {
        self.kill();
        self.watchdog.wait().map(|_| ())
    }

    /// Starts it again with the same arguments, after [`Process::stop`].
    pub(crate) fn start_again(&mut self) -> io::Result<()> {
        self.start_with(&[])
    }

    /// Starts it again with these arguments in addition to those of [`Process::start`], after [`Process::stop`].
    pub(crate) fn start_with(&mut self, more: &[&str]) -> io::Result<()> {
        let arguments: Vec<String> =
            self.arguments.iter().cloned().chain(more.iter().map(ToString::to_string)).collect();
        (self.watchdog, self.lifeline) = spawn(&self.name, &self.program, &arguments, &self.dir, &self.log)?;
        Ok(())
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The exit status, once it has ended.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.watchdog.try_wait().ok().flatten()
    }

    /// The last lines of its log.
    pub(crate) fn log_tail(&self, lines: usize) -> String {
        let text = fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
        let all: Vec<&str> = text.lines().collect();
        let tail = all[all.len().saturating_sub(lines)..].join("\n    ");
        format!("  {} ({}):\n    {tail}\n", self.name, self.log.display())
    }

    /// Asks the watchdog to kill the program; does not wait for it.
    pub(crate) fn kill(&mut self) {
        drop(self.lifeline.take());
    }
}

fn spawn(
    name: &str,
    program: &Path,
    arguments: &[String],
    dir: &Path,
    log: &Path,
) -> io::Result<(Child, Option<ChildStdin>)> {
    let output = OpenOptions::new().append(true).open(log)?;
    let mut watchdog = Command::new("sh")
        .args(["-c", WATCHDOG, name])
        .arg(program)
        .args(arguments)
        .current_dir(dir)
        .env_clear()
        .env("HOME", dir)
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .stdin(Stdio::piped())
        .stdout(output.try_clone()?)
        .stderr(output)
        // A process group of its own: Ctrl-C reaches only the tests, which then end this process.
        .process_group(0)
        .spawn()?;
    let lifeline = watchdog.stdin.take();
    Ok((watchdog, lifeline))
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        let deadline = Instant::now() + Duration::from_secs(5);
        while Instant::now() < deadline {
            if self.ended().is_some() {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        // The watchdog itself hangs: kill the whole process group.
        let _ = Command::new("sh").arg("-c").arg(format!("kill -KILL -{}", self.watchdog.id())).status();
        let _ = self.watchdog.wait();
    }
}
