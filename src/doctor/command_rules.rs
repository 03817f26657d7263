//! The form of the table of permissions.

/// What the lack of a permission does to a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Necessity {
    /// The command does not work.
    Required,
    /// The command shows partial results.
    Partial,
    /// Only this option or subcommand does not work.
    With(&'static str),
    /// The command works only with this option.
    Without(&'static str),
}

/// A rule of a ClusterRole.
pub(super) struct Rule {
    pub(super) group: &'static str,
    pub(super) resources: &'static [&'static str],
    pub(super) verbs: &'static [&'static str],
    pub(super) necessity: Necessity,
}

/// The rules of a command, and the file in the repository that grants them.
pub(super) struct CommandRules {
    pub(super) name: &'static str,
    pub(super) role: &'static str,
    pub(super) rules: &'static [Rule],
    /// Whether the command also reads what decides about a new pod.
    pub(super) of_new_pods: bool,
}
