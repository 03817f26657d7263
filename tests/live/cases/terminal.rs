//! `rollout watch` on a real terminal: what stands on the screen, narrow and wide, and what is left of it.

use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::process::Child;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use libtest_mimic::Failed;
use pty_process::Size;
use pty_process::blocking::{Command, Pty, open};
use vt100::{Parser, Screen};

use crate::Ctx;
use crate::client::{ensure, failed, wait_until_within};
use crate::plane::Plane;
use crate::scenarios;

/// The program on a terminal, and the screen that a person would see.
struct Terminal {
    child: Child,
    pty: Arc<Pty>,
    screen: Arc<Mutex<Parser>>,
}

impl Terminal {
    fn start(plane: &Plane, arguments: &[&str], (columns, lines): (u16, u16)) -> Result<Self, Failed> {
        let (pty, pts) = open().map_err(failed)?;
        pty.resize(Size::new(lines, columns)).map_err(failed)?;
        let mut command = plane.ds_command(plane.kubeconfig(), arguments);
        command.env("TERM", "xterm-256color");
        let child = Command::from(command).spawn(pts).map_err(failed)?;
        let pty = Arc::new(pty);
        let screen = Arc::new(Mutex::new(Parser::new(some(lines)?, some(columns)?, 0)));
        let (from, to) = (Arc::clone(&pty), Arc::clone(&screen));
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = (&*from).read(&mut bytes) {
                to.lock().unwrap_or_else(PoisonError::into_inner).process(&bytes[..count]);
            }
        });
        Ok(Self { child, pty, screen })
    }

    fn parser(&self) -> MutexGuard<'_, Parser> {
        self.screen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn resize(&self, (columns, lines): (u16, u16)) -> Result<(), Failed> {
        // First the screen, or it could read a picture that is too large for it.
        self.parser().screen_mut().set_size(some(lines)?, some(columns)?);
        self.pty.resize(Size::new(lines, columns)).map_err(failed)
    }

    fn types(&self, bytes: &[u8]) -> Result<(), Failed> {
        Ok((&*self.pty).write_all(bytes)?)
    }

    /// Waits until a whole picture shows all of these, in lines that no terminal had to break.
    async fn until(&self, what: &str, all: &[&str]) -> Result<Vec<String>, Failed> {
        wait_until_within(what, Duration::from_secs(60), async || {
            let parser = self.parser();
            let lines = lines_of(parser.screen());
            let text = lines.join("\n");
            match all.iter().find(|words| !text.contains(*words)) {
                Some(missing) => Err(format!("no {missing:?} in:\n{text}")),
                None if is_broken(parser.screen()) => Err(format!("a line is broken in:\n{text}")),
                None => Ok(lines),
            }
        })
        .await
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn some(number: u16) -> Result<NonZeroU16, Failed> {
    NonZeroU16::new(number).ok_or_else(|| failed("no terminal is as small as that"))
}

fn lines_of(screen: &Screen) -> Vec<String> {
    let (_, columns) = screen.size();
    screen.rows(0, columns.get()).map(|line| line.trim_end().to_owned()).collect()
}

fn is_broken(screen: &Screen) -> bool {
    (0..screen.size().0.get()).any(|line| screen.row_wrapped(line))
}

/// The line that begins like this.
fn line<'l>(lines: &'l [String], beginning: &str) -> Result<&'l str, Failed> {
    let found = lines.iter().find(|line| line.starts_with(beginning));
    found.map(String::as_str).ok_or_else(|| failed(format!("no line {beginning:?} in:\n{}", lines.join("\n"))))
}

const NARROW: (u16, u16) = (80, 24);
const WIDE: (u16, u16) = (200, 50);

/// A bad image on one of 150 nodes: the bar, the cells and the reason are there at 80 and at 200 columns, after the
/// terminal was resized and after it was resized back; Ctrl-C leaves the picture and a terminal to go on with.
pub(crate) fn shows_what_holds_a_rollout(ctx: &Ctx) -> Result<(), Failed> {
    Plane::builder(&ctx.programs).node_monitor_grace_period(Duration::from_secs(600)).start()?.run(async |plane| {
        scenarios::held::bad_image_of(plane, "screen", 150).await?;
        let mut terminal = Terminal::start(plane, &["rollout", "watch", "agent", "-n", "screen"], NARROW)?;
        let lines = terminal.until("the whole picture is there", &["Failing", "NODE", "ImagePullBackOff"]).await?;
        line(&lines, "DaemonSet screen/agent  RollingUpdate maxUnavailable 1")?;
        line(&lines, "Progressing")?;
        line(&lines, "█░░░░░░░░░ 1 of 150 updated, 0 of them available")?;
        line(&lines, "█████████░ 149 of 150 available")?;
        line(&lines, "budget 1 of 1 spent: screen-")?;
        line(&lines, "! on screen-")?;
        // 150 cells in lines of 80: one is in trouble, all others wait.
        let is_cell = |line: &&String| !line.is_empty() && line.chars().all(|c| ['□', '✗', '↓', '◧'].contains(&c));
        let cells: Vec<&String> = lines.iter().filter(is_cell).collect();
        let count = |sign| cells.iter().flat_map(|line| line.chars()).filter(|c| *c == sign).count();
        ensure(cells.len() == 2 && count('✗') == 1 && count('□') == 149, || lines.join("\n"))?;
        line(&lines, "✗ 1 Failing   □ 149 Outdated")?;

        terminal.resize(WIDE)?;
        let whole = "ImagePullBackOff in container main: Back-off pulling image \"example.com/agent:2\": not found";
        let lines = terminal.until("it is drawn anew for a wide terminal", &["Failing", "NODE", whole]).await?;
        let cells: Vec<&String> = lines.iter().filter(is_cell).collect();
        ensure(cells.len() == 1 && cells[0].chars().count() == 150, || lines.join("\n"))?;
        // The reason stands in the table too, in one piece.
        let row = lines.iter().find(|line| line.starts_with("screen-") && line.contains("✗ Failing"));
        ensure(row.is_some_and(|row| row.ends_with(whole)), || lines.join("\n"))?;

        terminal.resize(NARROW)?;
        // Its reason is broken by the program again, and not by the terminal.
        let broken = "\n  ImagePullBackOff in container main: Back-off pulling image\n";
        let lines = terminal.until("it is drawn anew for a narrow one", &[broken, "✗ 1 Failing   □ 149"]).await?;
        ensure(lines.iter().filter(is_cell).count() == 2, || lines.join("\n"))?;

        terminal.types(b"\x03")?;
        let code = wait_until_within("it ends", Duration::from_secs(20), async || {
            let status = terminal.child.try_wait().map_err(|error| error.to_string())?;
            status.map(|status| status.code()).ok_or_else(|| "it goes on".to_owned())
        })
        .await?;
        ensure(code == Some(130), || format!("it ended with {code:?}"))?;
        let parser = terminal.parser();
        let screen = parser.screen();
        let lines = lines_of(screen);
        let (row, column) = screen.cursor_position();
        ensure(!screen.hide_cursor() && !screen.alternate_screen(), || "no cursor, or another screen".into())?;
        let color = (screen.fgcolor(), screen.bold(), screen.inverse());
        ensure(color == (vt100::Color::Default, false, false), || format!("{color:?}"))?;
        // What a shell writes next comes below the picture, on a line of its own.
        let below = lines.iter().skip(usize::from(row)).all(String::is_empty);
        ensure(column == 0 && below, || format!("the cursor is at {row}, {column} of:\n{}", lines.join("\n")))?;
        // The picture is left as it was, but for what scrolls out of so small a screen.
        line(&lines, "✗ 1 Failing   □ 149 Outdated")?;
        line(&lines, "^C")?;
        Ok(())
    })
}
