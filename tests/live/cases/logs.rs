//! `logs` and `exec` on a real API server, whose kubelets are [`LogKubelet`]: which logs are read and in which order, why
//! there is none, what a followed log survives, and that nothing of a hostile log reaches the terminal.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::Ctx;
use crate::harness::client::{ensure, failed, message, wait_until};
use crate::harness::control_plane::ControlPlane;
use crate::harness::log_kubelet::{LogKubelet, node_status_of_port};
use crate::harness::manifests::{container, daemon_set, namespace, node_with, pod_reference, with_behavior};
use crate::harness::registry::LiveTest;
use crate::harness::running_program::RunningProgram;
use crate::harness::scenario::{assert_contains, assert_not_contains, template_patch};
use crate::harness::terminal::Terminal;

pub(crate) const TESTS: &[LiveTest] = live_tests![
    logs_of_fifty_nodes_are_read_node_by_node,
    followed_log_survives_replacement_and_outages,
    hostile_log_never_reaches_the_terminal,
    exec_hands_over_to_kubectl,
];

const AGENT: &str = "agent";
const ROOMY: (u16, u16) = (120, 40);

/// Creates nodes with these kubelets, and a DaemonSet in the namespace `logs` with these annotations on its pods; waits for
/// its pods.
async fn create_agent(plane: &ControlPlane, nodes: &[(String, Value)], behavior: &Value) -> Result<(), Failed> {
    plane.create(&namespace("logs")).await?;
    let nodes: Vec<Value> = nodes.iter().map(|(name, status)| node_with(name, &json!({"status": status}))).collect();
    plane.create_all(&nodes).await?;
    let pod_spec = json!({"containers": [container("agent"), {"name": "exporter", "image": "exporter"}]});
    let mut agent = with_behavior(daemon_set("logs", AGENT, &pod_spec), behavior);
    agent["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = json!(1);
    wait_until("the DaemonSet is created", async || plane.create(&agent).await.map_err(message)).await?;
    wait_until("every node has a pod with statuses", async || {
        let pods = pods(plane).await.map_err(message)?;
        let seen = |pod: &&Pod| pod.status.as_ref().is_some_and(|status| status.container_statuses.is_some());
        let count = pods.iter().filter(seen).count();
        if count == nodes.len() { Ok(()) } else { Err(format!("{count} pods")) }
    })
    .await
}

async fn pods(plane: &ControlPlane) -> Result<Vec<Pod>, Failed> {
    let pods: Vec<Pod> = plane.list().await?;
    Ok(pods.into_iter().filter(|pod| pod.namespace().as_deref() == Some("logs")).collect())
}

/// The name of the pod on a node that is not being deleted.
async fn pod_on(plane: &ControlPlane, node: &str) -> Result<String, Failed> {
    let pods = pods(plane).await?;
    let is_there = |pod: &&Pod| {
        pod.metadata.deletion_timestamp.is_none()
            && pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()) == Some(node)
    };
    pods.iter().find(is_there).map(ResourceExt::name_any).ok_or_else(|| failed(format!("no pod on {node}")))
}

struct Outcome {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn logs(plane: &ControlPlane, arguments: &[&str]) -> Outcome {
    let output = plane.ds(&[&["logs", "-n", "logs", AGENT], arguments].concat());
    Outcome {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl Outcome {
    fn expect(&self, code: i32, what: &str) -> Result<(), Failed> {
        ensure(self.code == Some(code), || format!("{what}: exit code {:?}\n{}{}", self.code, self.stdout, self.stderr))
    }
}

/// 50 nodes: one after another, at most `--max-log-requests` at a time. Of these, one kubelet is dead, one image cannot be
/// pulled and one container crashes.
fn logs_of_fifty_nodes_are_read_node_by_node(ctx: &Ctx) -> Result<(), Failed> {
    ControlPlane::builder(&ctx.programs).node_monitor_grace_period(Duration::from_secs(600)).start()?.run(
        async |plane| {
            let kubelet = LogKubelet::start(plane)?;
            // Nothing listens there.
            let dead = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
            let name = |number: usize| format!("node-{number:02}");
            let status = |number| if number == 7 { node_status_of_port(dead) } else { kubelet.node_status() };
            let nodes: Vec<(String, Value)> = (0..50).map(|number| (name(number), status(number))).collect();
            let behavior = json!({"ds.test/no-image": name(20), "ds.test/crash": name(30)});
            create_agent(plane, &nodes, &behavior).await?;
            for number in 0..50 {
                let pod = pod_on(plane, &name(number)).await?;
                for line in 0..12 {
                    kubelet.write(&pod, format!("line {line:02} of {}", name(number)));
                }
                kubelet.set_previous(&pod, format!("panic on {}\n", name(number)).as_bytes());
            }

            let all = logs(plane, &[]);
            all.expect(1, "all nodes")?;
            let expected: String = (0..50)
                .filter(|number| ![7, 20].contains(number))
                .flat_map(|number| (2..12).map(move |line| (number, line)))
                .map(|(number, line)| format!("{0} | line {line:02} of {0}\n", name(number)))
                .collect();
            ensure(all.stdout == expected, || format!("not the last ten lines of each node:\n{}", all.stdout))?;
            assert_contains(
                &all.stderr,
                &[
                    "note: defaulted container \"main\" out of: main, exporter\n",
                    "note: no log of node-07 (container main): the kubelet is not responding: dial tcp 127.0.0.1:",
                    "connect: connection refused\n",
                    "note: no log of node-20: container main: ImagePullBackOff",
                ],
            )?;
            ensure(all.stderr.lines().count() == 3, || all.stderr.clone())?;
            ensure(kubelet.most_open() <= 5, || format!("{} open streams", kubelet.most_open()))?;

            selections(plane, &kubelet).await?;
            rejections(plane)?;
            pipe_is_closed_early(plane)
        },
    )
}

/// Nodes, containers, runs and lines.
async fn selections(plane: &ControlPlane, kubelet: &LogKubelet) -> Result<(), Failed> {
    let one = logs(plane, &["node/node-03"]);
    one.expect(0, "one node")?;
    let expected: String = (0..12).map(|line| format!("line {line:02} of node-03\n")).collect();
    ensure(one.stdout == expected, || format!("not the whole log:\n{}", one.stdout))?;

    let all = logs(plane, &["node-03", "node-04", "--all-containers", "--tail", "1", "--color", "always"]);
    all.expect(0, "all containers of two nodes")?;
    let plain = strip_colors(&all.stdout);
    let expected = "node-03 main | line 11 of node-03\nnode-03 exporter | line 11 of node-03\n\
                    node-04 main | line 11 of node-04\nnode-04 exporter | line 11 of node-04\n";
    ensure(plain == expected, || plain.clone())?;
    let colors: Vec<&str> = all.stdout.lines().filter_map(|line| line.split("node-0").next()).collect();
    ensure(colors[0] == colors[1] && colors[1] != colors[2], || format!("{colors:?}"))?;

    let labeled =
        logs(plane, &["--nodes", "kubernetes.io/hostname in (node-08,node-09)", "--tail=-1", "-c", "exporter"]);
    labeled.expect(0, "nodes by label")?;
    ensure(labeled.stdout.lines().count() == 24, || labeled.stdout.clone())?;
    ensure(kubelet.requests().iter().any(|request| request.contains("/exporter?")), || "no request".to_owned())?;

    let trouble = logs(plane, &["--trouble"]);
    trouble.expect(1, "trouble")?;
    ensure(
        trouble.stdout == "node-30 | panic on node-30\n"
            || trouble.stdout.contains("node-30 main | panic on node-30\n"),
        || trouble.stdout.clone(),
    )?;
    assert_not_contains(&trouble.stdout, &["node-29"])?;
    assert_contains(&trouble.stderr, &["no log of node-20: container main: ImagePullBackOff"])?;

    let previous = logs(plane, &["node-03", "--previous"]);
    previous.expect(1, "no previous run")?;
    assert_contains(&previous.stderr, &["no log of node-03: container main has no previous run"])
}

fn strip_colors(text: &str) -> String {
    let mut plain = String::new();
    for (number, part) in text.split('\u{1b}').enumerate() {
        plain += if number == 0 { part } else { part.split_once('m').map_or("", |(_, rest)| rest) };
    }
    plain
}

/// Errors: exit code 2 and one line.
fn rejections(plane: &ControlPlane) -> Result<(), Failed> {
    for (arguments, expected) in [
        (
            &["node-03", "-c", "exportr"][..],
            "error: container \"exportr\" not found in the pods of logs/agent\nhint: did you mean \"exporter\"? the \
             containers are: main, exporter\n",
        ),
        (&["nod-03"], "error: node \"nod-03\" not found\nhint: did you mean \"node-03\"?"),
        (&["--follow"], "error: cannot follow 49 logs: --max-log-requests is 5\nhint: pass --max-log-requests 49, or"),
    ] {
        let outcome = logs(plane, arguments);
        outcome.expect(2, &format!("{arguments:?}"))?;
        assert_contains(&outcome.stderr, &[expected])?;
        ensure(outcome.stdout.is_empty(), || outcome.stdout.clone())?;
    }
    let forbidden = logs(plane, &["node-03", "--context", "nobody"]);
    forbidden.expect(2, "no permission")?;
    assert_contains(&forbidden.stderr, &["hint: you need RBAC permission to list daemonsets"])
}

/// `head` ends the program at once, and quietly.
fn pipe_is_closed_early(plane: &ControlPlane) -> Result<(), Failed> {
    let program = env!("CARGO_BIN_EXE_kubectl-ds");
    let begun = Instant::now();
    for flags in ["", "-f --max-log-requests 99 --nodes kubernetes.io/hostname=node-03"] {
        let output = Command::new("bash")
            .args(["-c", &format!("set -o pipefail; {program} logs -n logs agent {flags} | head -n 2")])
            .env("KUBECONFIG", plane.kubeconfig())
            .output()?;
        let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure(stdout.lines().count() == 2 && output.status.success(), || {
            format!("{}: {stdout}{stderr}", output.status)
        })?;
        let is_quiet = stderr.lines().all(|line| line.starts_with("note: defaulted"));
        ensure(is_quiet, || stderr.clone().into_owned())?;
    }
    ensure(begun.elapsed() < Duration::from_secs(30), || format!("{:?}", begun.elapsed()))
}

/// Each line appears once: after the log is rotated, after the connection breaks in the middle of a line, while the API
/// server restarts, and when the pod is replaced. Ctrl-C ends the program.
fn followed_log_survives_replacement_and_outages(ctx: &Ctx) -> Result<(), Failed> {
    let mut plane = ControlPlane::builder(&ctx.programs).node_monitor_grace_period(Duration::from_secs(600)).start()?;
    let (kubelet, running) = plane.run(async |plane| {
        let kubelet = LogKubelet::start(plane)?;
        let nodes = ["one", "two"].map(|name| (name.to_owned(), kubelet.node_status()));
        create_agent(plane, &nodes, &json!({})).await?;
        let (one, two) = (pod_on(plane, "one").await?, pod_on(plane, "two").await?);
        (0..20).for_each(|number| kubelet.write(&one, format!("old {number}")));
        let running = RunningProgram::start(plane, &["logs", "-n", "logs", AGENT, "-f", "--color", "never"])?;
        running.wait_for("one | old 19\n").await?;
        assert_not_contains(&running.stdout(), &["old 9\n"])?;
        kubelet.write(&two, "two 1");
        running.wait_for("two | two 1\n").await?;
        // Several lines with one time, before and after the end of a stream.
        let now = jiff::Timestamp::now();
        ["same 1", "same 2"].iter().for_each(|line| kubelet.write_at(&one, now, *line));
        running.wait_for("one | same 2\n").await?;
        kubelet.end_streams(&one);
        ["same 3", "rotated 1"].iter().for_each(|line| kubelet.write_at(&one, now, *line));
        running.wait_for("one | rotated 1\n").await?;
        kubelet.break_streams(&one);
        kubelet.write(&one, "broken line");
        running.wait_for("one | broken line\n").await?;
        Ok((kubelet, running))
    })?;
    plane.stop_api_server()?;
    plane.start_api_server()?;
    plane.run(async |plane| {
        let one = wait_until("the API server is back", async || pod_on(plane, "one").await.map_err(message)).await?;
        kubelet.write(&one, "after the outage");
        running.wait_for("one | after the outage\n").await?;
        let new = replace_pods(plane, &one).await?;
        (0..15).for_each(|number| kubelet.write(&new, format!("new {number}")));
        running.wait_for("one | new 14\n").await?;
        let stdout = running.stdout();
        for line in ["same 1", "same 2", "same 3", "rotated 1", "broken line", "after the outage", "new 0", "old 10"] {
            let count = stdout.matches(&format!("one | {line}\n")).count();
            ensure(count == 1, || format!("{line}: {count} times\n{stdout}"))?;
        }
        ensure(stdout.lines().count() == 10 + 1 + 6 + 15, || stdout.clone())?;
        let stderr = running.stderr();
        assert_contains(&stderr, &[&format!("note: one: new pod {new} (revision "), ", before: "])?;
        running.signal("-INT")?;
        running.wait_for_exit(130).await?;
        interrupted_on_a_terminal(plane, &kubelet, &new).await
    })
}

/// Rolls out another template; returns the new pod of the node `one`.
async fn replace_pods(plane: &ControlPlane, old: &str) -> Result<String, Failed> {
    let mut change = crate::harness::manifests::daemon_set_reference("logs", AGENT);
    change["spec"] = template_patch("agent:2", &json!({}));
    plane.merge(&change).await?;
    wait_until("the pod is replaced", async || match pod_on(plane, "one").await.map_err(message)? {
        pod if pod == old => Err("the old pod is there".into()),
        pod => Ok(pod),
    })
    .await
}

/// Ctrl-C on a terminal.
async fn interrupted_on_a_terminal(plane: &ControlPlane, kubelet: &LogKubelet, pod: &str) -> Result<(), Failed> {
    let mut terminal = Terminal::start(plane, &["logs", "-n", "logs", AGENT, "one", "-f"], ROOMY)?;
    terminal.wait_for("the log", &["new 14"]).await?;
    kubelet.write(pod, "while it is followed");
    terminal.wait_for("a new line", &["while it is followed"]).await?;
    terminal.input(b"\x03")?;
    let code = terminal.wait_for_exit(Duration::from_secs(10)).await?;
    ensure(code == Some(130), || format!("exit code {code:?}"))?;
    wait_until("the streams are closed", async || match kubelet.open() {
        0 => Ok(()),
        open => Err(format!("{open} open")),
    })
    .await
}

/// What a hostile log contains.
const HOSTILE: &[&[u8]] = &[
    b"\x1b[2J\x1b[H\x1b]0;owned\x07cleared",
    b"\x1b[31mred\x1b[0m",
    "bidi \u{202e}abc\u{2066} zero\u{200b}width".as_bytes(),
    b"invalid \xff\xfe\xc3 utf-8",
    b"back\x08space and\rreturn",
    "\u{9b}2J C1".as_bytes(),
];
/// The length of the line without an end, in bytes.
const ENDLESS: usize = 96 << 20;
/// How much memory the program may use, in kB: less than the line has.
const MEMORY: u64 = 64 << 10;

/// Escape sequences, bidirectional marks, invalid UTF-8, and a line that does not end.
fn hostile_log_never_reaches_the_terminal(ctx: &Ctx) -> Result<(), Failed> {
    ControlPlane::builder(&ctx.programs).node_monitor_grace_period(Duration::from_secs(600)).start()?.run(
        async |plane| {
            let kubelet = LogKubelet::start(plane)?;
            create_agent(plane, &[("one".to_owned(), kubelet.node_status())], &json!({})).await?;
            let pod = pod_on(plane, "one").await?;
            HOSTILE.iter().for_each(|line| kubelet.write(&pod, *line));
            kubelet.write(&pod, "last");
            for flags in [&[][..], &["--timestamps"]] {
                let output = plane.ds(&[&["logs", "-n", "logs", AGENT], flags].concat());
                let text = String::from_utf8(output.stdout).map_err(failed)?;
                let raw = |c: &char| *c != '\n' && (c.is_control() || "\u{202e}\u{2066}\u{200b}".contains(*c));
                ensure(!text.contains(|c| raw(&c)), || format!("{text:?}"))?;
                assert_contains(
                    &text,
                    &["\\u{1b}[2J", "red\n", "\\u{202e}abc", "invalid \u{fffd}", "\\u{8}space", "\\u{9b}2J"],
                )?;
                ensure(text.lines().count() == HOSTILE.len() + 1, || text.clone())?;
            }
            let mut terminal = Terminal::start(plane, &["logs", "-n", "logs", AGENT, "one", "-f"], ROOMY)?;
            let lines = terminal.wait_for("the log", &["cleared", "red", "last"]).await?;
            ensure(lines.iter().any(|line| line.starts_with("\\u{1b}[2J")), || lines.join("\n"))?;
            terminal.input(b"\x03")?;
            terminal.wait_for_exit(Duration::from_secs(10)).await?;

            kubelet.set_endless(&pod, ENDLESS);
            let running = RunningProgram::start(plane, &["logs", "-n", "logs", AGENT, "-f", "--tail", "1"])?;
            wait_until("the endless line is printed", async || {
                let length = running.stdout().len();
                if length > ENDLESS - (64 << 10) { Ok(()) } else { Err(format!("{length} bytes")) }
            })
            .await?;
            let status = std::fs::read_to_string(format!("/proc/{}/status", running.id()))?;
            let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
            let peak: u64 = peak.trim().trim_end_matches(" kB").parse().map_err(failed)?;
            eprintln!("peak memory: {peak} kB");
            ensure(peak < MEMORY, || format!("{peak} kB"))?;
            let longest = running.stdout().lines().map(str::len).max().unwrap_or_default();
            ensure(longest <= (64 << 10) + "one | ".len(), || format!("a line of {longest} bytes"))
        },
    )
}

/// The arguments of kubectl and its exit code, and why there is no pod.
fn exec_hands_over_to_kubectl(ctx: &Ctx) -> Result<(), Failed> {
    ControlPlane::builder(&ctx.programs).node_monitor_grace_period(Duration::from_secs(600)).start()?.run(
        async |plane| {
            let kubelet = LogKubelet::start(plane)?;
            let nodes = ["one", "two"].map(|name| (name.to_owned(), kubelet.node_status()));
            create_agent(plane, &nodes, &json!({"ds.test/no-image": "two"})).await?;
            plane
                .create(&node_with("three", &json!({"spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]}})))
                .await?;
            let fake = plane.dir().join("fake kubectl");
            std::fs::write(&fake, "#!/bin/sh\nprintf '<%s>' \"$@\"\ncat\nexit 7\n")?;
            std::fs::set_permissions(&fake, std::fs::Permissions::from_mode(0o755))?;
            let exec = |arguments: &[&str]| {
                let mut command =
                    plane.ds_command(plane.kubeconfig(), &[&["exec", "-n", "logs", AGENT], arguments].concat());
                command.env("KUBECTL_PATH", &fake).env("PATH", std::env::var_os("PATH").unwrap_or_default());
                command.output()
            };
            let output = exec(&[
                "node/one",
                "--context",
                "admin",
                "-c",
                "exporter",
                "-it",
                "--",
                "sh",
                "-c",
                "echo $(id)",
                "--help",
            ])?;
            let stdout = String::from_utf8_lossy(&output.stdout);
            let pod = pod_on(plane, "one").await?;
            let expected = format!(
                "<exec><--context=admin><--namespace=logs><--container=exporter><--stdin><--tty><pod/{pod}><--><sh><-c>\
                 <echo $(id)><--help>"
            );
            ensure(stdout == expected && output.status.code() == Some(7), || format!("{}: {stdout}", output.status))?;
            for (node, expected) in [
                ("two", "note: no container runs on two: container main: ImagePullBackOff"),
                ("three", "note: no container runs on three: no pod should run there: "),
            ] {
                let output = exec(&[node, "--", "true"])?;
                let stderr = String::from_utf8_lossy(&output.stderr);
                ensure(output.status.code() == Some(1) && stderr.lines().count() == 1, || {
                    format!("{}: {stderr}", output.status)
                })?;
                assert_contains(&stderr, &[expected])?;
            }
            let output = exec(&["four", "--", "true"])?;
            ensure(output.status.code() == Some(2), || format!("{}", output.status))?;
            plane.delete(&pod_reference("logs", &pod)).await
        },
    )
}
