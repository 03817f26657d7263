//! The guide to the sample cluster. A test runs every command of it.

use std::io::{self, Write};

use super::command_line::CommandLine;
use super::style::{Style, Tone};

const INTRODUCTION: [&str; 2] = [
    "The sample cluster is part of this program: 12 nodes in 3 zones and 7 DaemonSets, with problems of real clusters. It \
     is a saved cluster: the commands only read it, and ages are those of the time when it was saved.",
    "Paste a command. --from demo selects the sample cluster; without it, the command reads your own cluster.",
];

/// What a command shows, and the command.
const STEPS: [(&str, &str); 8] = [
    (
        "All DaemonSets, the worst first: how many eligible nodes run an available pod, and why others do not",
        "coverage --from demo",
    ),
    (
        "One DaemonSet, node by node: two pods that fail, one on a node that is down, three excluded nodes",
        "coverage fluent-bit --from demo",
    ),
    (
        "One node: which DaemonSets are healthy there, and for the others the cause and the commands that fix it",
        "why-not worker-a1 --from demo",
    ),
    (
        "A pod that the scheduler rejects: which request does not fit, and what would",
        "why-not gpu-c1 nvidia-driver --from demo",
    ),
    (
        "All rollouts: their progress, and what blocks each (exit code 1: some are not complete)",
        "rollout status -A --from demo",
    ),
    (
        "What changed in the pod template between two revisions",
        "rollout history -n monitoring node-exporter --diff 1..2 --from demo",
    ),
    (
        "The plan to replace the outdated pods of an OnDelete DaemonSet node by node; nothing is deleted",
        "cycle -n monitoring node-exporter --dry-run=client --from demo",
    ),
    (
        "A gate for a pipeline: exit code 1, because fewer than 95% of the desired pods are available",
        "coverage -n kube-system kube-proxy --min 95% --from demo",
    ),
];

/// Writes the guide.
pub(crate) fn guide(out: &mut impl Write, style: Style) -> io::Result<()> {
    for paragraph in INTRODUCTION {
        style.line(out, paragraph, Tone::Plain)?;
    }
    for (text, command) in STEPS {
        writeln!(out)?;
        style.line(out, text, Tone::Quiet)?;
        if let Some(line) = CommandLine::own_program(command).offered() {
            writeln!(out, "  {}", style.paint(&line, Tone::Strong))?;
        }
    }
    writeln!(out)?;
    style.line(out, "On your own cluster, check first whether the program can read it:", Tone::Plain)?;
    if let Some(line) = CommandLine::own_program("doctor").offered() {
        writeln!(out, "  {}", style.paint(&line, Tone::Strong))?;
    }
    Ok(())
}
