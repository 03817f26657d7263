//! What may stand in the place of the last word of an unfinished command line. Of the words before it, those that make
//! no sense are passed over: a completion never complains.

use clap::{Arg, ArgAction, Command, FromArgMatches};

use super::{Global, daemon_set_name, node_name};
use crate::explain::State;

/// A word that may stand there, and what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// The word.
    pub(crate) word: String,
    /// One line, or nothing.
    pub(crate) meaning: String,
}

/// Names that are to be had from a cluster or from the kubeconfig.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Names {
    /// Of the namespace that counts, or of all.
    DaemonSets {
        /// Where nothing is said, the command looks in all namespaces.
        everywhere: bool,
    },
    /// Of the cluster.
    Nodes,
    /// Of the cluster.
    Namespaces,
    /// The keys of the nodes' labels.
    NodeLabels,
    /// Of the kubeconfig.
    Contexts,
    /// Of the kubeconfig.
    Clusters,
    /// Of the kubeconfig.
    Users,
}

/// Where the words come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// The tree of commands holds them.
    Words(Vec<Candidate>),
    /// They are to be asked for.
    Names(Names),
    /// Files, which the shell knows best.
    Files,
    /// Anything: there is no list of it.
    Anything,
}

/// An unfinished command line.
#[derive(Debug)]
pub(crate) struct Unfinished {
    /// What was typed of the last word, as far as it counts: without `--flag=`, which the shell keeps by itself.
    pub(crate) typed: String,
    /// How long the part of it is that every candidate begins with: `ds/`, or the values before the last comma.
    pub(crate) kept: usize,
    /// Where its candidates come from.
    pub(crate) wanted: Wanted,
    /// The flags of every command, as far as they were typed; `None` where one of them makes no sense.
    pub(crate) global: Option<Global>,
}

/// Finds out what the last of the words may become. The first is the first after the program's name.
pub(crate) fn unfinished(mut tree: Command, words: &[String]) -> Unfinished {
    tree.build();
    let (last, before) = words.split_last().map_or(("", words), |(last, before)| (last.as_str(), before));
    let mut reader = Reader::new(&tree);
    for word in before {
        reader.take(word);
    }
    let (typed, wanted, takes_list) = reader.place_of(last);
    let kept = match wanted {
        Wanted::Names(Names::DaemonSets { .. }) => of_kind(typed, daemon_set_name),
        Wanted::Names(Names::Nodes) => of_kind(typed, node_name),
        _ if takes_list => typed.rfind(',').map_or(0, |comma| comma + 1),
        _ => 0,
    };
    Unfinished { typed: typed.to_owned(), kept, wanted, global: reader.global() }
}

/// How long the `ds/` of `ds/name` is, where that is a way to name one.
fn of_kind(typed: &str, name: fn(&str) -> Result<String, String>) -> usize {
    match typed.split_once('/') {
        Some((kind, _)) if name(&format!("{kind}/x")).is_ok() => kind.len() + 1,
        _ => 0,
    }
}

/// Reads words one by one, as clap would read them once the line is finished.
struct Reader<'t> {
    command: &'t Command,
    /// The flag whose value comes next.
    pending: Option<&'t Arg>,
    /// After `--` there are no flags.
    only_values: bool,
    /// Values without a flag, of the command.
    values: usize,
    /// The ids of the flags that were given.
    given: Vec<&'t str>,
    /// The flags of every command.
    global: Vec<String>,
}

impl<'t> Reader<'t> {
    fn new(command: &'t Command) -> Self {
        Self { command, pending: None, only_values: false, values: 0, given: Vec::new(), global: Vec::new() }
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
                self.values = 0;
            }
            _ => self.values += 1,
        }
    }

    /// Several letters behind one dash; the rest after one that takes a value is that value.
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

    /// Keeps what will matter.
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

    /// What of the word counts, what it may become, and whether it is a list with commas.
    fn place_of<'w>(&self, word: &'w str) -> (&'w str, Wanted, bool) {
        if let Some(arg) = self.pending {
            return (word, self.values_of(arg), is_list(arg));
        }
        if word.starts_with('-') && !self.only_values {
            return match word.split_once('=') {
                Some((flag, value)) => match flag.strip_prefix("--").and_then(|name| self.long(name)) {
                    Some(arg) => (value, self.values_of(arg), is_list(arg)),
                    None => (word, Wanted::Anything, false),
                },
                None => (word, Wanted::Words(self.flags()), false),
            };
        }
        if self.command.has_subcommands() && self.values == 0 && !self.only_values {
            return (word, Wanted::Words(subcommands(self.command)), false);
        }
        match self.positional() {
            Some(arg) => (word, self.values_of(arg), is_list(arg)),
            None => (word, Wanted::Words(Vec::new()), false),
        }
    }

    /// The argument without a flag whose turn it is; the last one may come again and again.
    fn positional(&self) -> Option<&'t Arg> {
        let last = self.command.get_positionals().last();
        let repeated = last.filter(|arg| matches!(arg.get_action(), ArgAction::Append));
        self.command.get_positionals().nth(self.values).or(repeated)
    }

    fn flags(&self) -> Vec<Candidate> {
        let shown = self.command.get_arguments().filter(|arg| !arg.is_hide_set());
        let candidate = |arg: &Arg| Some(Candidate { word: format!("--{}", arg.get_long()?), meaning: meaning(arg) });
        shown.filter_map(candidate).collect()
    }

    /// What the value of a flag, or an argument without one, may be.
    fn values_of(&self, arg: &Arg) -> Wanted {
        let names = match arg.get_id().as_str() {
            "namespace" => Some(Names::Namespaces),
            "context" => Some(Names::Contexts),
            "cluster" => Some(Names::Clusters),
            "user" => Some(Names::Users),
            "by" => Some(Names::NodeLabels),
            "node" => Some(Names::Nodes),
            "name" | "names" => Some(Names::DaemonSets { everywhere: false }),
            // A node first, and then DaemonSets; with the node in a file only those.
            "targets" if self.values == 0 && !self.given.contains(&"node_file") => Some(Names::Nodes),
            "targets" => Some(Names::DaemonSets { everywhere: true }),
            "only" => return words(State::ALL.into_iter().map(State::name)),
            "order" => return words(["name", "oldest", "zone"].into_iter()),
            _ => None,
        };
        if let Some(names) = names {
            return Wanted::Names(names);
        }
        let possible = arg.get_possible_values();
        if !possible.is_empty() {
            let shown = possible.into_iter().filter(|value| !value.is_hide_set());
            let candidate = |value: clap::builder::PossibleValue| Candidate {
                word: value.get_name().to_owned(),
                meaning: value.get_help().map(|help| first_line(&help.to_string())).unwrap_or_default(),
            };
            return Wanted::Words(shown.map(candidate).collect());
        }
        match arg.get_value_hint() {
            clap::ValueHint::AnyPath | clap::ValueHint::FilePath => Wanted::Files,
            _ => Wanted::Anything,
        }
    }

    /// Nothing but the flags of every command, read by clap itself.
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

/// Words that speak for themselves.
fn words<'w>(words: impl Iterator<Item = &'w str>) -> Wanted {
    Wanted::Words(words.map(|word| Candidate { word: word.to_owned(), meaning: String::new() }).collect())
}

fn meaning(arg: &Arg) -> String {
    arg.get_help().map(|help| first_line(&help.to_string())).unwrap_or_default()
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
