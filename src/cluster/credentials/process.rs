//! The process of a credential plugin. Dropping the value ends it and the processes that it started.

use std::io;
use std::process::Stdio;

use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};

use crate::cluster::bounded::TOKEN_LIMIT;

/// The process group of the plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    /// Its own process group, which is ended as a whole.
    Own,
    /// The group of this program. Only this group can read from the terminal and receives Ctrl-C.
    Terminal,
}

impl Group {
    /// A plugin that may prompt needs the terminal even if its standard input is redirected: it can open `/dev/tty`.
    pub(super) fn choose(never_prompts: bool) -> Self {
        match never_prompts || !has_terminal() {
            true => Self::Own,
            false => Self::Terminal,
        }
    }
}

#[cfg(unix)]
fn has_terminal() -> bool {
    std::fs::File::open("/dev/tty").is_ok()
}

#[cfg(not(unix))]
fn has_terminal() -> bool {
    true
}

/// Why a process returned no output.
#[derive(Debug)]
pub(super) enum Failure {
    /// The process failed with this status.
    Ended(String),
    /// The standard output exceeds [`TOKEN_LIMIT`].
    TooLong,
}

/// A running process.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    #[cfg_attr(not(unix), allow(dead_code, reason = "only unix has process groups"))]
    group: Group,
    has_ended: bool,
}

impl Process {
    /// Starts the process with its standard output in a pipe.
    pub(super) fn start(mut command: Command, group: Group) -> io::Result<Self> {
        command.stdout(Stdio::piped()).kill_on_drop(true);
        #[cfg(unix)]
        if group == Group::Own {
            command.process_group(0);
        }
        Ok(Self { child: command.spawn()?, group, has_ended: false })
    }

    /// Waits for the process to end, and returns its standard output.
    pub(super) async fn output(&mut self) -> Result<Vec<u8>, Failure> {
        let failed = |error: io::Error| Failure::Ended(error.to_string());
        let mut output = Vec::new();
        if let Some(stdout) = self.child.stdout.as_mut() {
            stdout.take(TOKEN_LIMIT + 1).read_to_end(&mut output).await.map_err(failed)?;
        }
        if output.len() as u64 > TOKEN_LIMIT {
            return Err(Failure::TooLong);
        }
        let status = self.child.wait().await.map_err(failed)?;
        self.has_ended = true;
        match status.success() {
            true => Ok(output),
            false => Err(Failure::Ended(status.to_string())),
        }
    }
}

#[cfg(unix)]
impl Drop for Process {
    /// Sends SIGTERM or SIGINT before SIGKILL: a plugin that has disabled the terminal's echo must restore it.
    fn drop(&mut self) {
        use std::time::{Duration, Instant};

        use rustix::process::{Pid, Signal};

        const GRACE: Duration = Duration::from_millis(100);
        let id = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let (Some(pid), false) = (id, self.has_ended) else {
            return;
        };
        // It fails only if the process is already gone.
        let _ = self.send(pid, if self.group == Group::Own { Signal::TERM } else { Signal::INT });
        let deadline = Instant::now() + GRACE;
        while Instant::now() < deadline && !is_over(pid) {
            std::thread::sleep(Duration::from_millis(2));
        }
        let _ = self.send(pid, Signal::KILL);
    }
}

#[cfg(unix)]
impl Process {
    fn send(&self, pid: rustix::process::Pid, signal: rustix::process::Signal) -> rustix::io::Result<()> {
        match self.group {
            Group::Own => rustix::process::kill_process_group(pid, signal),
            Group::Terminal => rustix::process::kill_process(pid, signal),
        }
    }
}

/// Whether the process has ended. It stays a zombie, so that its process ID is not reused.
#[cfg(unix)]
fn is_over(pid: rustix::process::Pid) -> bool {
    use rustix::process::{WaitId, WaitIdOptions, waitid};
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    !matches!(waitid(WaitId::Pid(pid), options), Ok(None))
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use std::path::Path;
    use std::time::{Duration, Instant};

    use tempfile::TempDir;

    use super::*;

    fn shell(script: &str) -> Process {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).stdin(Stdio::null());
        Process::start(command, Group::Own).unwrap()
    }

    /// Waits until the file contains a line.
    async fn line_of(path: &Path) -> String {
        loop {
            match std::fs::read_to_string(path) {
                Ok(text) if text.ends_with('\n') => return text.trim().to_owned(),
                _ => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    }

    #[tokio::test]
    async fn process_output_is_read_completely() {
        assert_eq!(shell("echo a; echo b").output().await.unwrap(), b"a\nb\n");
        assert!(matches!(shell("exit 3").output().await, Err(Failure::Ended(status)) if status.contains('3')));
    }

    #[tokio::test]
    async fn endless_output_is_an_error() {
        let mut process = shell("exec yes");
        assert!(matches!(process.output().await, Err(Failure::TooLong)));
    }

    #[tokio::test]
    async fn dropped_process_ends_with_its_children() {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("child");
        // The child ignores SIGTERM.
        let script =
            format!("(trap '' TERM; sleep 1000 & echo $! >{0}.tmp; mv {0}.tmp {0}; wait) & wait", file.display());
        let process = shell(&script);
        let grandchild = line_of(&file).await;
        drop(process);
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let status = std::fs::read_to_string(format!("/proc/{grandchild}/stat")).unwrap_or_default();
            let alive = std::process::Command::new("kill").args(["-0", &grandchild]).output().unwrap().status.success();
            if !alive || status.contains(") Z ") {
                return;
            }
            assert!(Instant::now() < deadline, "process {grandchild} is still running: {status}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
