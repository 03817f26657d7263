//! A process that this program starts: a credential plugin, a hook or kubectl. Dropping the value ends it and the processes that
//! it started.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// A longer line of output is split.
const LONGEST_LINE: u64 = 4096;
/// How many bytes of the standard error are kept.
const LONGEST_ERRORS: u64 = 64 << 10;
/// How long the output is read after the process has ended: another process may keep it open.
const REST_OF_OUTPUT: Duration = Duration::from_millis(200);

/// The process group of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    /// Its own process group, which is ended as a whole.
    Own,
    /// The group of this program. Only this group can read from the terminal and receives Ctrl-C.
    Terminal,
}

impl Group {
    /// A plugin that may prompt needs the terminal even if its standard input is redirected: it can open `/dev/tty`.
    pub(crate) fn choose(never_prompts: bool) -> Self {
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
pub(crate) enum Failure {
    /// The process failed with this status.
    Ended(String),
    /// The standard output exceeds the limit.
    TooLong,
}

/// What a process has written, and whether it succeeded.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) stdout: Vec<u8>,
    /// The beginning of the standard error.
    pub(crate) stderr: Vec<u8>,
    pub(crate) status: ExitStatus,
}

/// A running process.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    #[cfg_attr(not(unix), allow(dead_code, reason = "only unix has process groups"))]
    group: Group,
    has_ended: bool,
}

impl Process {
    /// Starts the process with its standard output in a pipe.
    pub(crate) fn start(mut command: Command, group: Group) -> io::Result<Self> {
        command.stdout(Stdio::piped()).kill_on_drop(true);
        #[cfg(unix)]
        if group == Group::Own {
            command.process_group(0);
        }
        Ok(Self { child: command.spawn()?, group, has_ended: false })
    }

    /// Waits for the process to end, and returns its standard output of at most `limit` bytes.
    pub(crate) async fn output(&mut self, limit: u64) -> Result<Vec<u8>, Failure> {
        let failed = |error: io::Error| Failure::Ended(error.to_string());
        let mut output = Vec::new();
        if let Some(stdout) = self.child.stdout.as_mut() {
            stdout.take(limit + 1).read_to_end(&mut output).await.map_err(failed)?;
        }
        if output.len() as u64 > limit {
            return Err(Failure::TooLong);
        }
        let status = self.child.wait().await.map_err(failed)?;
        self.has_ended = true;
        match status.success() {
            true => Ok(output),
            false => Err(Failure::Ended(status.to_string())),
        }
    }

    /// Writes the input to the standard input, and waits for the process to end. Standard input and standard error must
    /// be pipes. The standard output has at most `limit` bytes.
    pub(crate) async fn exchange(&mut self, input: &[u8], limit: u64) -> Result<Output, Failure> {
        let failed = |error: io::Error| Failure::Ended(error.to_string());
        let (stdin, stdout, stderr) = (self.child.stdin.take(), self.child.stdout.take(), self.child.stderr.take());
        let write = async {
            if let Some(mut pipe) = stdin {
                // A process may end without reading its input: its status and its errors have the reason.
                let _ = pipe.write_all(input).await;
            }
            Ok(())
        };
        let read = async {
            let mut output = Vec::new();
            if let Some(pipe) = stdout {
                pipe.take(limit + 1).read_to_end(&mut output).await.map_err(failed)?;
            }
            if output.len() as u64 > limit { Err(Failure::TooLong) } else { Ok(output) }
        };
        let read_errors = async {
            let mut output = Vec::new();
            if let Some(mut pipe) = stderr {
                (&mut pipe).take(LONGEST_ERRORS).read_to_end(&mut output).await.map_err(failed)?;
                tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await.map_err(failed)?;
            }
            Ok(output)
        };
        let ((), stdout, stderr) = tokio::try_join!(write, read, read_errors)?;
        let status = self.child.wait().await.map_err(failed)?;
        self.has_ended = true;
        Ok(Output { stdout, stderr, status })
    }

    /// Sends each line of its standard output and standard error, if they are pipes, and waits for it to end.
    ///
    /// # Errors
    /// Errors of the operating system.
    pub(crate) async fn lines(&mut self, lines: &mpsc::Sender<String>) -> io::Result<ExitStatus> {
        let (stdout, stderr) = (self.child.stdout.take(), self.child.stderr.take());
        let mut output = Box::pin(async {
            let stdout = async {
                match stdout {
                    Some(pipe) => send_lines(BufReader::new(pipe), lines).await,
                    None => Ok(()),
                }
            };
            let stderr = async {
                match stderr {
                    Some(pipe) => send_lines(BufReader::new(pipe), lines).await,
                    None => Ok(()),
                }
            };
            let (stdout, stderr) = tokio::join!(stdout, stderr);
            stdout.and(stderr)
        });
        let status = tokio::select! {
            // Both pipes are closed, or cannot be read.
            read = &mut output => {
                read?;
                self.child.wait().await?
            }
            status = self.child.wait() => {
                let _ = timeout(REST_OF_OUTPUT, &mut output).await;
                status?
            }
        };
        drop(output);
        self.has_ended = true;
        Ok(status)
    }
}

/// Sends the lines of a stream. Bytes that are not UTF-8 are replaced.
async fn send_lines(mut stream: impl AsyncBufRead + Unpin, lines: &mpsc::Sender<String>) -> io::Result<()> {
    let mut line = Vec::new();
    while (&mut stream).take(LONGEST_LINE).read_until(b'\n', &mut line).await? > 0 {
        let text = String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned();
        if lines.send(text).await.is_err() {
            break;
        }
        line.clear();
    }
    Ok(())
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
        assert_eq!(shell("echo a; echo b").output(1 << 20).await.unwrap(), b"a\nb\n");
        assert!(matches!(shell("exit 3").output(1 << 20).await, Err(Failure::Ended(status)) if status.contains('3')));
    }

    /// The lines of a script, and whether it succeeded.
    async fn lines_of(script: &str) -> (Vec<String>, bool) {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).stdin(Stdio::null()).stderr(Stdio::piped());
        let mut process = Process::start(command, Group::Own).unwrap();
        let (sender, mut receiver) = mpsc::channel(4);
        let received = async {
            let mut lines = Vec::new();
            while let Some(line) = receiver.recv().await {
                lines.push(line);
            }
            lines
        };
        let ended = async {
            let status = process.lines(&sender).await.unwrap();
            drop(sender);
            status.success()
        };
        tokio::join!(received, ended)
    }

    #[tokio::test]
    async fn lines_of_both_outputs_are_sent() {
        let (mut lines, is_success) = lines_of("echo out; echo err >&2; printf last; exit 3").await;
        lines.sort();
        assert_eq!((lines, is_success), (vec!["err".into(), "last".into(), "out".into()], false));
        let (lines, is_success) = lines_of("head -c 10000 /dev/zero | tr '\\0' x").await;
        let lengths: Vec<usize> = lines.iter().map(String::len).collect();
        assert_eq!((lengths, is_success), (vec![4096, 4096, 1808], true));
    }

    #[tokio::test]
    async fn process_that_keeps_the_output_open_is_not_waited_for() {
        let begun = Instant::now();
        let (lines, is_success) = lines_of("echo first; sleep 60 & exit 0").await;
        assert_eq!((lines, is_success), (vec!["first".to_owned()], true));
        assert!(begun.elapsed() < Duration::from_secs(30));
    }

    #[tokio::test]
    async fn endless_output_is_an_error() {
        let mut process = shell("exec yes");
        assert!(matches!(process.output(1 << 20).await, Err(Failure::TooLong)));
    }

    #[tokio::test]
    async fn exchange_writes_the_input_and_reads_both_outputs() {
        let exchange = async |script: &str, input: &[u8]| {
            let mut command = Command::new("/bin/sh");
            command.args(["-c", script]).stdin(Stdio::piped()).stderr(Stdio::piped());
            Process::start(command, Group::Own).unwrap().exchange(input, 1 << 20).await
        };
        // More than a pipe holds, in each direction.
        let input = vec![b'x'; 1 << 20];
        let output = exchange("cat; head -c 1000000 /dev/zero >&2; exit 3", &input).await.unwrap();
        assert_eq!((output.stdout == input, output.stderr.len(), output.status.code()), (true, 64 << 10, Some(3)));
        let output = exchange("exec <&-; echo no; exit 0", &input).await.unwrap();
        assert_eq!((output.stdout.as_slice(), output.status.success()), (b"no\n".as_slice(), true));
        assert!(matches!(exchange("exec yes", b"").await, Err(Failure::TooLong)));
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
