//! One program of the control plane, with a log file, that never outlives the test process.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Runs `"$@"` and kills it as soon as standard input ends, which the kernel sees to however the
/// parent dies. Ends with the program's own exit code when that goes first.
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
    /// The pipe that the watchdog listens on.
    lifeline: Option<ChildStdin>,
}

impl Process {
    /// Starts `program` with its output in `<name>.log` below `dir`, and with `dir` as its home.
    pub(crate) fn start(name: &str, program: &Path, arguments: &[String], dir: &Path) -> io::Result<Self> {
        let log = dir.join(format!("{name}.log"));
        File::create(&log)?;
        let (watchdog, lifeline) = spawn(name, program, arguments, dir, &log)?;
        let (program, arguments, dir) = (program.to_owned(), arguments.to_owned(), dir.to_owned());
        Ok(Self { name: name.to_owned(), program, arguments, dir, log, watchdog, lifeline })
    }

    /// Kills it and waits for its end.
    pub(crate) fn stop(&mut self) -> io::Result<()> {
        self.kill();
        self.watchdog.wait().map(|_| ())
    }

    /// Starts it as it was started first, after [`Process::stop`].
    pub(crate) fn start_again(&mut self) -> io::Result<()> {
        (self.watchdog, self.lifeline) = spawn(&self.name, &self.program, &self.arguments, &self.dir, &self.log)?;
        Ok(())
    }

    /// What the program is called.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The exit status, when it is no longer running.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.watchdog.try_wait().ok().flatten()
    }

    /// The process group: the watchdog and what it started.
    #[allow(dead_code, reason = "for whoever debugs a plane")]
    pub(crate) fn group(&self) -> u32 {
        self.watchdog.id()
    }

    /// The last lines it wrote.
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
        // A group of its own: Ctrl-C reaches the tests only, and they take this down in order.
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
        // The watchdog itself hangs: the whole group goes.
        let _ = Command::new("sh").arg("-c").arg(format!("kill -KILL -{}", self.watchdog.id())).status();
        let _ = self.watchdog.wait();
    }
}
