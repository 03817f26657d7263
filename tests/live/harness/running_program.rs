//! The program while it runs in a pipe, with its output so far.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use libtest_mimic::Failed;

use crate::harness::client::{ensure, failed, wait_until_within};
use crate::harness::control_plane::ControlPlane;

/// How long the program may take for the next expected output.
const OUTPUT_TIMEOUT: Duration = Duration::from_secs(40);

/// How long the program may take to exit.
const EXIT_TIMEOUT: Duration = Duration::from_secs(90);

/// A running program; it is killed when it is dropped.
pub(crate) struct RunningProgram {
    child: Child,
    stdout: Arc<Mutex<Vec<u8>>>,
    stderr: Arc<Mutex<Vec<u8>>>,
    readers: [JoinHandle<()>; 2],
}

/// Reads to the end in a thread, into a buffer that can be read meanwhile.
fn collect(mut from: impl Read + Send + 'static) -> (Arc<Mutex<Vec<u8>>>, JoinHandle<()>) {
    let collected = Arc::new(Mutex::new(Vec::new()));
    let shared = Arc::clone(&collected);
    let reader = std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            shared.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&bytes[..count]);
        }
    });
    (collected, reader)
}

fn text_of(bytes: &Mutex<Vec<u8>>) -> String {
    String::from_utf8_lossy(&bytes.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
}

impl RunningProgram {
    /// Starts the program as admin.
    pub(crate) fn start(plane: &ControlPlane, arguments: &[&str]) -> Result<Self, Failed> {
        Self::spawn(plane.ds_command(plane.kubeconfig(), arguments))
    }

    /// Starts the program with another kubeconfig.
    pub(crate) fn start_with(plane: &ControlPlane, kubeconfig: &Path, arguments: &[&str]) -> Result<Self, Failed> {
        Self::spawn(plane.ds_command(kubeconfig, arguments))
    }

    /// Starts any command.
    pub(crate) fn spawn(mut command: Command) -> Result<Self, Failed> {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let (stdout, stdout_reader) = collect(child.stdout.take().ok_or_else(|| failed("no stdout"))?);
        let (stderr, stderr_reader) = collect(child.stderr.take().ok_or_else(|| failed("no stderr"))?);
        Ok(Self { child, stdout, stderr, readers: [stdout_reader, stderr_reader] })
    }

    /// The process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn has_exited(&mut self) -> Result<bool, Failed> {
        Ok(self.child.try_wait()?.is_some() && self.readers.iter().all(JoinHandle::is_finished))
    }

    /// The exit code; `None` while the program runs, and if a signal ended it.
    pub(crate) fn exit_code(&mut self) -> Result<Option<i32>, Failed> {
        Ok(self.child.try_wait()?.and_then(|status| status.code()))
    }

    /// Standard output so far.
    pub(crate) fn stdout(&self) -> String {
        text_of(&self.stdout)
    }

    /// Standard error so far.
    pub(crate) fn stderr(&self) -> String {
        text_of(&self.stderr)
    }

    /// Waits until standard output contains a text.
    pub(crate) async fn wait_for(&self, expected: &str) -> Result<(), Failed> {
        wait_until_within(expected, OUTPUT_TIMEOUT, async || {
            let stdout = self.stdout();
            if stdout.contains(expected) { Ok(()) } else { Err(format!("stdout: {stdout}\nstderr: {}", self.stderr())) }
        })
        .await
    }

    /// Waits for this exit code; returns standard output.
    pub(crate) async fn wait_for_exit(self, expected: i32) -> Result<String, Failed> {
        self.wait_for_exit_with_stderr(expected).await.map(|(stdout, _)| stdout)
    }

    /// The same with standard error as well.
    pub(crate) async fn wait_for_exit_with_stderr(mut self, expected: i32) -> Result<(String, String), Failed> {
        let code = wait_until_within("the program exits", EXIT_TIMEOUT, async || {
            match self.child.try_wait().map_err(|error| error.to_string())? {
                Some(status) => Ok(status.code()),
                None => Err(format!("stdout: {}\nstderr: {}", text_of(&self.stdout), text_of(&self.stderr))),
            }
        })
        .await?;
        // The reader threads can be late.
        wait_until_within("all output is read", Duration::from_secs(10), async || {
            if self.readers.iter().all(JoinHandle::is_finished) { Ok(()) } else { Err("not yet".into()) }
        })
        .await?;
        let (stdout, stderr) = (self.stdout(), self.stderr());
        ensure(code == Some(expected), || {
            format!("exit code {code:?} instead of {expected}\nstdout: {stdout}\nstderr: {stderr}")
        })?;
        Ok((stdout, stderr))
    }

    /// Sends a signal, such as `-INT`.
    pub(crate) fn signal(&self, signal: &str) -> Result<(), Failed> {
        let status = Command::new("kill").arg(signal).arg(self.id().to_string()).status()?;
        ensure(status.success(), || format!("kill {signal}: {status}"))
    }
}

impl Drop for RunningProgram {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
