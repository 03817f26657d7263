//! The terminal is closed: SIGHUP, and writes to it fail.

use std::io::Read;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pty_process::Size;
use pty_process::blocking::{Command as TerminalCommand, Pty, open};

use super::lock::{is_released, outdated};
use super::*;
use crate::harness::client::wait_until_within;

/// The program on a terminal that can be closed.
struct ClosableTerminal {
    child: Child,
    pty: Option<Arc<Pty>>,
    is_closed: Arc<AtomicBool>,
}

impl ClosableTerminal {
    fn start(plane: &ControlPlane, arguments: &[&str]) -> Result<Self, Failed> {
        let (pty, pts) = open().map_err(failed)?;
        pty.resize(Size::new(24, 100)).map_err(failed)?;
        let command = plane.ds_command(plane.kubeconfig(), arguments);
        let child = TerminalCommand::from(command).spawn(pts).map_err(failed)?;
        let (pty, is_closed) = (Arc::new(pty), Arc::new(AtomicBool::new(false)));
        let (from, is_over) = (Arc::clone(&pty), Arc::clone(&is_closed));
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while !is_over.load(Ordering::SeqCst) && matches!((&*from).read(&mut bytes), Ok(1..)) {}
        });
        Ok(Self { child, pty: Some(pty), is_closed })
    }

    /// It closes once the reader thread has read the next output.
    fn close(&mut self) {
        self.is_closed.store(true, Ordering::SeqCst);
        drop(self.pty.take());
    }

    async fn wait_for_exit(&mut self, expected: i32) -> Result<(), Failed> {
        let code = wait_until_within("the program exits", Duration::from_secs(60), async || {
            let status = self.child.try_wait().map_err(|error| error.to_string())?;
            status.map(|status| status.code()).ok_or_else(|| "it still runs".to_owned())
        })
        .await?;
        ensure(code == Some(expected), || format!("exit code {code:?}"))
    }
}

impl Drop for ClosableTerminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A cycle whose terminal is closed waits for the node in progress, and stops.
pub(super) async fn closed_terminal_stops_cycle(scenario: &Scenario<'_>) -> Result<(), Failed> {
    let watcher = outdated(scenario, &json!({"ds.test/starting": "*"})).await?;
    let mut terminal = ClosableTerminal::start(scenario.plane, &["cycle", "agent", "-n", scenario.name, "--yes"])?;
    scenario.wait_for_new_pod().await?;
    terminal.close();
    // It draws a frame at least every five seconds, and must still wait for the node in progress.
    tokio::time::sleep(Duration::from_secs(7)).await;
    ensure(terminal.child.try_wait()?.is_none(), || "it did not wait for the node in progress".into())?;
    scenario.release_one().await?;
    terminal.wait_for_exit(129).await?;
    ensure(watcher.removed() == ["closed-a"], || format!("{:?}", watcher.removed()))?;
    ensure(with_image(scenario, "two").await? == 1, || "the node in progress was not completed".into())?;
    is_released(scenario).await
}

/// Read-only commands exit at once.
pub(super) async fn hangup_ends_a_watch(scenario: &Scenario<'_>) -> Result<(), Failed> {
    outdated(scenario, &json!({})).await?;
    for arguments in
        [["rollout", "watch", "agent", "-n", scenario.name], ["coverage", "agent", "--watch", "-n", scenario.name]]
    {
        let running = RunningProgram::start(scenario.plane, &arguments)?;
        running.wait_for("agent").await?;
        running.signal("-HUP")?;
        running.wait_for_exit(129).await?;
    }
    Ok(())
}

/// With SIGHUP ignored, as by nohup, it continues to the end.
pub(super) async fn ignored_hangup_stops_nothing(scenario: &Scenario<'_>) -> Result<(), Failed> {
    let watcher = outdated(scenario, &json!({"ds.test/slow": "*"})).await?;
    let program =
        scenario.plane.ds_command(scenario.plane.kubeconfig(), &["cycle", "agent", "-n", scenario.name, "--yes"]);
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "trap '' HUP; exec \"$@\"", "sh"]).arg(program.get_program()).args(program.get_args());
    command.env_clear().env("HOME", scenario.plane.dir()).env("KUBECONFIG", scenario.plane.kubeconfig());
    let running = RunningProgram::spawn(command)?;
    running.wait_for("ignored-a: deleting pod ").await?;
    running.signal("-HUP")?;
    let text = running.wait_for_exit(0).await?;
    assert_contains(&text, &["(3 of 3 replaced)", "\nDone\n"])?;
    assert_no_violations(&watcher, &text)
}
