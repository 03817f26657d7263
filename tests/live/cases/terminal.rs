//! Live screens on a terminal: `rollout watch` at two sizes, the keys of `coverage --watch`, and the screens that they
//! leave.

use std::time::Duration;

use libtest_mimic::Failed;
use serde_json::json;

use crate::Ctx;
use crate::cases::rollout_scenarios::blockers::start_bad_image_rollout;
use crate::harness::client::ensure;
use crate::harness::control_plane::ControlPlane;
use crate::harness::manifests::{daemon_set_with_image, node, with_behavior};
use crate::harness::registry::LiveTest;
use crate::harness::terminal::{Terminal, line, lines_of};

pub(crate) const TESTS: &[LiveTest] = live_tests![blocked_rollout_is_drawn, coverage_scrolls_filters_and_quits];

const NARROW: (u16, u16) = (80, 24);
const WIDE: (u16, u16) = (200, 50);

/// A bad image on one of 150 nodes: the bar, the cells and the reason are visible at 80 columns, after a resize to 200,
/// and after a resize back. Ctrl-C leaves the last frame on the screen and a terminal that works.
fn blocked_rollout_is_drawn(ctx: &Ctx) -> Result<(), Failed> {
    ControlPlane::builder(&ctx.programs).node_monitor_grace_period(Duration::from_secs(600)).start()?.run(
        async |plane| {
            start_bad_image_rollout(plane, "screen", 150).await?;
            let mut terminal = Terminal::start(plane, &["rollout", "watch", "agent", "-n", "screen"], NARROW)?;
            let lines =
                terminal.wait_for("the first frame is complete", &["Failing", "NODE", "ImagePullBackOff"]).await?;
            line(&lines, "DaemonSet screen/agent  RollingUpdate maxUnavailable 1")?;
            // Outdated pods are left, and nothing moves.
            line(&lines, "Blocked")?;
            line(&lines, "█░░░░░░░░░ 1 of 150 updated, 0 of them available")?;
            line(&lines, "█████████░ 149 of 150 available")?;
            line(&lines, "unavailable 1 (maxUnavailable 1): screen-")?;
            line(&lines, "! screen-")?;
            // 150 cells in lines of 80: one fails, all others are outdated.
            let is_cell = |line: &&String| !line.is_empty() && line.chars().all(|c| "◇✗↓□".contains(c));
            let cells: Vec<&String> = lines.iter().filter(is_cell).collect();
            let count = |sign| cells.iter().flat_map(|line| line.chars()).filter(|c| *c == sign).count();
            ensure(cells.len() == 2 && count('✗') == 1 && count('◇') == 149, || lines.join("\n"))?;
            line(&lines, "✗ 1 Failing   ◇ 149 Outdated")?;
            line(&lines, "updated ")?;

            terminal.resize(WIDE)?;
            let reason = "container main: ImagePullBackOff: Back-off pulling image \"example.com/agent:2\": not found";
            // The last thing of the frame: earlier, the reason stands after a colon.
            let in_table = format!("  {reason}");
            let lines = terminal.wait_for("the frame fits the wide terminal", &["Failing", "NODE", &in_table]).await?;
            let cells: Vec<&String> = lines.iter().filter(is_cell).collect();
            ensure(cells.len() == 1 && cells[0].chars().count() == 150, || lines.join("\n"))?;
            // The table has the reason too, on one line.
            let row = lines.iter().find(|line| line.starts_with("screen-") && line.contains("✗ Failing"));
            ensure(row.is_some_and(|row| row.ends_with(reason)), || lines.join("\n"))?;

            terminal.resize(NARROW)?;
            // The program wraps the reason, not the terminal: its end is on an indented line.
            let wrapped = "ImagePullBackOff: Back-off pulling image \"example.com/agent:2\"";
            let lines =
                terminal.wait_for("the frame fits the narrow terminal", &[wrapped, "✗ 1 Failing   ◇ 149"]).await?;
            let end = lines.iter().find(|line| line.contains(wrapped));
            ensure(end.is_some_and(|line| line.starts_with("  ")), || lines.join("\n"))?;
            ensure(lines.iter().filter(is_cell).count() == 2, || lines.join("\n"))?;

            terminal.input(b"\x03")?;
            let code = terminal.wait_for_exit(Duration::from_secs(20)).await?;
            ensure(code == Some(130), || format!("exit code {code:?}"))?;
            let parser = terminal.parser();
            let screen = parser.screen();
            let lines = lines_of(screen);
            let (row, column) = screen.cursor_position();
            ensure(!screen.hide_cursor() && !screen.alternate_screen(), || {
                "the cursor is hidden, or the alternate screen is on".into()
            })?;
            let color = (screen.fgcolor(), screen.bold(), screen.inverse());
            ensure(color == (vt100::Color::Default, false, false), || format!("{color:?}"))?;
            // The shell's next output starts below the frame, on a new line.
            let below = lines.iter().skip(usize::from(row)).all(String::is_empty);
            ensure(column == 0 && below, || format!("the cursor is at {row}, {column} of:\n{}", lines.join("\n")))?;
            // The last frame stays, except for lines that scroll out of this small screen.
            line(&lines, "✗ 1 Failing   ◇ 149 Outdated")?;
            Ok(())
        },
    )
}

/// One of 60 nodes is not healthy: it and the counts are on a small screen. The keys scroll and filter the whole list, and
/// `q` leaves the last frame in the terminal's scrollback.
fn coverage_scrolls_filters_and_quits(ctx: &Ctx) -> Result<(), Failed> {
    ControlPlane::builder(&ctx.programs).start()?.run(async |plane| {
        let nodes: Vec<_> = (0..60).map(|number| node(&format!("node-{number:02}"))).collect();
        plane.create_all(&nodes).await?;
        let behavior = json!({"ds.test/no-image": "node-07"});
        plane.create(&with_behavior(daemon_set_with_image("default", "agent", "one"), &behavior)).await?;
        let mut terminal = Terminal::start(plane, &["coverage", "agent", "--watch"], NARROW)?;
        let folded = "■ 59 nodes: Available (--all lists them)";
        let lines = terminal.wait_for("59 nodes are folded", &["59 of 60 nodes covered", "node-07 ", folded]).await?;
        let hints = "q: quit   /: filter   arrows: scroll";
        ensure(line(&lines, "updated ")?.ends_with(hints), || lines.join("\n"))?;
        ensure(terminal.parser().screen().alternate_screen(), || "not on the alternate screen".into())?;

        terminal.input(b"/node-3")?;
        let lines = terminal.wait_for("the filter applies to all nodes", &["node-30 ", "node-39 ", "/node-3_"]).await?;
        ensure(!lines.iter().any(|line| line.contains("node-40")), || lines.join("\n"))?;
        terminal.input(b"\x1b")?;
        terminal.wait_for("the filter is gone", &[folded]).await?;
        terminal.input(b"\x1b[B\x1b[B")?;
        terminal.wait_for("the list is scrolled", &["lines 3-24 of "]).await?;
        terminal.input(b"g")?;
        terminal.wait_for("the list is at its beginning", &[folded]).await?;
        terminal.input(b"q")?;
        let code = terminal.wait_for_exit(Duration::from_secs(20)).await?;
        ensure(code == Some(0), || format!("exit code {code:?}"))?;
        let parser = terminal.parser();
        let screen = parser.screen();
        let lines = lines_of(screen);
        ensure(!screen.alternate_screen() && !screen.hide_cursor(), || lines.join("\n"))?;
        line(&lines, "DaemonSet default/agent")?;
        line(&lines, folded)?;
        line(&lines, "→ kubectl ds why-not node-07 agent -n default").map(drop)
    })
}
