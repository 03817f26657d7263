//! Finds the candidates for the last word of a command line that is being typed. Invalid words before it are ignored,
//! because a completion never reports an error.

use clap::{Arg, ArgAction, Command, FromArgMatches};

use crate::command::args::names::{is_daemon_set_type, is_node_type};
use crate::command::args::{Global, OUTDATED, UNHEALTHY, daemon_set_name, node_name};
use crate::explain::State;
use crate::snapshot::DaemonSetName;

/// A value for the last word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) word: String,
    /// A one-line description, or empty.
    pub(crate) meaning: String,
}

/// A kind of names that are read from the cluster or the kubeconfig.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Names {
    /// The DaemonSets of the selected namespace, or of all.
    DaemonSets {
        /// Whether the command searches all namespaces by default.
        everywhere: bool,
    },
    Nodes,
    Namespaces,
    /// The keys of the nodes' labels.
    NodeLabels,
    Contexts,
    Clusters,
    Users,
}

/// Where the candidates come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Completions {
    /// From the command tree.
    Words(Vec<Candidate>),
    /// From the cluster or the kubeconfig.
    Names(Names),
    /// File paths, which the shell completes.
    Files,
    /// Any value: there are no candidates.
    Anything,
}

/// The command line that is being typed.
#[derive(Debug)]
pub(crate) struct Unfinished {
    /// The typed part of the last word, without `--flag=`, which the shell keeps.
    pub(crate) typed: String,
    /// The length in bytes of the prefix of `typed` that every candidate begins with: `ds/`, or the values before the
    /// last comma.
    pub(crate) kept: usize,
    pub(crate) wanted: Completions,
    /// The global flags that were typed; `None` if one of them is invalid.
    pub(crate) global: Option<Global>,
}

/// Parses the words of the command line, without the program's name. The last one is being completed.
pub(crate) fn unfinished(mut tree: Command, words: &[String]) -> Unfinished {
    tree.build();
    let (last, before) = words.split_last().map_or(("", words), |(last, before)| (last.as_str(), before));
    let mut reader = Reader::new(&tree);
    for word in before {
        reader.take(word);
    }
    let (typed, wanted, takes_list) = reader.place_of(last);
    let kept = match wanted {
        Completions::Names(Names::DaemonSets { .. }) => of_kind(typed, |text| daemon_set_name(text).is_ok()),
        Completions::Names(Names::Nodes) => of_kind(typed, |text| node_name(text).is_ok()),
        _ if takes_list => typed.rfind(',').map_or(0, |comma| comma + 1),
        _ => 0,
    };
    let mut global = reader.global();
    if let (Completions::Names(Names::DaemonSets { .. }), Some(global)) = (&wanted, &mut global)
        && let Ok(DaemonSetName { namespace: Some(namespace), .. }) = daemon_set_name(&format!("{}x", &typed[..kept]))
    {
        (global.namespace, global.all_namespaces) = (Some(namespace), false);
    }
    Unfinished { typed: typed.to_owned(), kept, wanted, global }
}

/// The length of the `ds/` of `ds/name`, if that form is valid.
fn of_kind(typed: &str, is_valid: fn(&str) -> bool) -> usize {
    match typed.split_once('/') {
        Some((kind, _)) if is_valid(&format!("{kind}/x")) => kind.len() + 1,
        _ => 0,
    }
}

/// Scans words one by one, as clap would parse them.
struct Reader<'t> {
    command: &'t Command,
    /// The flag whose value is the next word.
    pending: Option<&'t Arg>,
    /// Whether `--` was seen: no flags follow.
    only_values: bool,
    /// The number of positional values of the command, without the type of `TYPE NAME`.
    values: usize,
    /// Whether the first positional value was a type.
    has_type: bool,
    /// The ids of the flags that were given.
    given: Vec<&'t str>,
    /// The global flags, with their values.
    global: Vec<String>,
}

impl<'t> Reader<'t> {
    fn new(command: &'t Command) -> Self {
        Self {
            command,
            pending: None,
            only_values: false,
            values: 0,
            has_type: false,
            given: Vec::new(),
            global: Vec::new(),
        }
    }

    fn take(&mut self, word: &str) {
        if let Some(arg) = self.pending.take() {
            self.note(arg, Some(word));
        } else if self.only_values || !word.starts_with('-') || word == "-" {
            self.take_value(word);
        } else if word == "--" {
            self.only_values = true;
        } else if let Some(text) = word.strip_prefix("--") {
            let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
            if let Some(arg) = self.long(name) {
                self.take_flag(arg, value);
            }
        } else {
            self.take_short(&word[1..]);
        }
    }

    fn take_value(&mut self, word: &str) {
        match self.command.find_subcommand(word) {
            Some(command) if !self.only_values => {
                self.command = command;
                (self.values, self.has_type) = (0, false);
            }
            _ if self.values == 0 && !self.has_type && (is_daemon_set_type(word) || is_node_type(word)) => {
                self.has_type = true;
            }
            _ => self.values += 1,
        }
    }

    /// Several letters behind one dash. The rest after a flag that takes a value is its value.
    fn take_short(&mut self, letters: &str) {
        for (at, letter) in letters.char_indices() {
            let Some(arg) = self.command.get_arguments().find(|arg| arg.get_short() == Some(letter)) else {
                return;
            };
            let rest = &letters[at + letter.len_utf8()..];
            let value = if arg.is_require_equals_set() { rest.strip_prefix('=') } else { Some(rest) };
            if takes_value(arg) && value.is_some() {
                let value = value.map(|value| value.strip_prefix('=').unwrap_or(value));
                return self.take_flag(arg, value.filter(|value| !value.is_empty()));
            }
            self.note(arg, None);
        }
    }

    fn take_flag(&mut self, arg: &'t Arg, value: Option<&str>) {
        if takes_value(arg) && value.is_none() && !arg.is_require_equals_set() {
            self.pending = Some(arg);
        } else {
            self.note(arg, value);
        }
    }

    /// Records the flag.
    fn note(&mut self, arg: &'t Arg, value: Option<&str>) {
        self.given.push(arg.get_id().as_str());
        if let (true, Some(long)) = (arg.is_global_set(), arg.get_long()) {
            let value = value.map(|value| format!("={value}")).unwrap_or_default();
            self.global.push(format!("--{long}{value}"));
        }
    }

    fn long(&self, name: &str) -> Option<&'t Arg> {
        self.command.get_arguments().find(|arg| arg.get_long() == Some(name))
    }

    /// The part of the word to complete, its candidates, and whether it is a comma-separated list.
    fn place_of<'w>(&self, word: &'w str) -> (&'w str, Completions, bool) {
        if let Some(arg) = self.pending {
            return (word, self.values_of(arg), is_list(arg));
        }
        if word.starts_with('-') && !self.only_values {
            return match word.split_once('=') {
                Some((flag, value)) => match flag.strip_prefix("--").and_then(|name| self.long(name)) {
                    Some(arg) => (value, self.values_of(arg), is_list(arg)),
                    None => (word, Completions::Anything, false),
                },
                None => (word, Completions::Words(self.flags()), false),
            };
        }
        if self.command.has_subcommands() && self.values == 0 && !self.only_values {
            return (word, Completions::Words(subcommands(self.command)), false);
        }
        match self.positional() {
            Some(arg) => (word, self.values_of(arg), is_list(arg)),
            None => (word, Completions::Words(Vec::new()), false),
        }
    }

    /// The next positional argument; the last one can be repeated.
    fn positional(&self) -> Option<&'t Arg> {
        let last = self.command.get_positionals().last();
        // Several words are one name, with its type.
        let is_single = |arg: &Arg| arg.get_id() == "name";
        let repeated = last.filter(|arg| matches!(arg.get_action(), ArgAction::Append) && !is_single(arg));
        self.command.get_positionals().nth(self.values).or(repeated)
    }

    fn flags(&self) -> Vec<Candidate> {
        let shown = self.command.get_arguments().filter(|arg| !arg.is_hide_set());
        let candidate =
            |arg: &Arg| Some(Candidate { word: format!("--{}", arg.get_long()?), meaning: description(arg) });
        shown.filter_map(candidate).collect()
    }

    /// The candidates for the value of a flag or a positional argument.
    fn values_of(&self, arg: &Arg) -> Completions {
        let names = match arg.get_id().as_str() {
            "namespace" => Some(Names::Namespaces),
            "context" => Some(Names::Contexts),
            "cluster" => Some(Names::Clusters),
            "user" => Some(Names::Users),
            "by" | "label_columns" => Some(Names::NodeLabels),
            "node" => Some(Names::Nodes),
            "name" | "names" => Some(Names::DaemonSets { everywhere: false }),
            // The first value is a node and the others are DaemonSets; with --node-file all are DaemonSets.
            "targets" if self.values == 0 && !self.given.contains(&"node_file") => Some(Names::Nodes),
            "targets" => Some(Names::DaemonSets { everywhere: true }),
            "only" => return expected_word(State::ALL.into_iter().map(State::name).chain([UNHEALTHY, OUTDATED])),
            "order" => return expected_word(["name", "oldest", "zone"].into_iter()),
            _ => None,
        };
        if let Some(names) = names {
            return Completions::Names(names);
        }
        let possible = arg.get_possible_values();
        if !possible.is_empty() {
            let shown = possible.into_iter().filter(|value| !value.is_hide_set());
            let candidate = |value: clap::builder::PossibleValue| Candidate {
                word: value.get_name().to_owned(),
                meaning: value.get_help().map(|help| first_line(&help.to_string())).unwrap_or_default(),
            };
            return Completions::Words(shown.map(candidate).collect());
        }
        match arg.get_value_hint() {
            clap::ValueHint::AnyPath | clap::ValueHint::FilePath => Completions::Files,
            _ => Completions::Anything,
        }
    }

    /// Parses the global flags with clap.
    fn global(&self) -> Option<Global> {
        let command = <Global as clap::Args>::augment_args(Command::new("global")).no_binary_name(true);
        let matches = command.args_override_self(true).try_get_matches_from(&self.global).ok()?;
        Global::from_arg_matches(&matches).ok()
    }
}

fn takes_value(arg: &Arg) -> bool {
    arg.get_action().takes_values()
}

fn is_list(arg: &Arg) -> bool {
    arg.get_value_delimiter() == Some(',')
}

fn subcommands(command: &Command) -> Vec<Candidate> {
    let shown = command.get_subcommands().filter(|command| !command.is_hide_set());
    let candidate = |command: &Command| Candidate {
        word: command.get_name().to_owned(),
        meaning: command.get_about().map(|about| first_line(&about.to_string())).unwrap_or_default(),
    };
    shown.map(candidate).collect()
}

/// Candidates without a description.
fn expected_word<'w>(words: impl Iterator<Item = &'w str>) -> Completions {
    Completions::Words(words.map(|word| Candidate { word: word.to_owned(), meaning: String::new() }).collect())
}

fn description(arg: &Arg) -> String {
    arg.get_help().map(|help| first_line(&help.to_string())).unwrap_or_default()
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
