//! Which commands a user may run. A SelfSubjectRulesReview of one namespace lists what the user may do there. It does
//! not say whether a rule holds in the whole cluster, and it may be incomplete, as with an authorization webhook. So it
//! answers some [`Question`]s, and a SelfSubjectAccessReview each of the others: [`decide`].

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::check_status::CheckStatus;
use super::command_rules::{CommandRules, Necessity};
use super::permissions_table::{CLUSTER_SCOPED, COMMANDS};
use crate::snapshot::Permission;

/// A permission, in the selected namespace or in the whole cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Question {
    pub(crate) permission: Permission,
    pub(crate) in_cluster: bool,
}

/// The namespaces that the commands are checked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Namespaces {
    Selected,
    All,
}

/// The answers, `None` if the server gave none.
#[derive(Clone, Debug)]
pub(crate) struct Answers {
    pub(crate) namespaces: Namespaces,
    pub(crate) allowed: BTreeMap<Question, Option<bool>>,
}

/// The `status` of a SelfSubjectRulesReview.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct RulesReview {
    resource_rules: Vec<GrantedRule>,
    incomplete: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct GrantedRule {
    verbs: Vec<String>,
    api_groups: Option<Vec<String>>,
    resources: Option<Vec<String>>,
    resource_names: Option<Vec<String>>,
}

impl GrantedRule {
    /// `RuleAllows` of `plugin/pkg/auth/authorizer/rbac/rbac.go`, for all names.
    fn grants(&self, permission: Permission) -> bool {
        let has =
            |list: &Option<Vec<String>>, word: &str| list.iter().flatten().any(|entry| entry == "*" || entry == word);
        let any_parent = permission.resource.split_once('/').map(|(_, subresource)| format!("*/{subresource}"));
        self.resource_names.iter().flatten().next().is_none()
            && self.verbs.iter().any(|verb| verb == "*" || verb == permission.verb)
            && has(&self.api_groups, permission.group)
            && (has(&self.resources, permission.resource)
                || any_parent.is_some_and(|resource| has(&self.resources, &resource)))
    }
}

/// What the commands need.
pub(crate) fn questions(namespaces: Namespaces) -> BTreeSet<Question> {
    COMMANDS.iter().flat_map(|command| command_questions(command, namespaces)).map(|(question, _)| question).collect()
}

fn command_questions(command: &CommandRules, namespaces: Namespaces) -> Vec<(Question, Necessity)> {
    let mut questions = Vec::new();
    for rule in command.all_rules() {
        for &resource in rule.resources {
            // why-not lists all pods of a node, because all of them use its resources.
            let in_cluster = namespaces == Namespaces::All
                || CLUSTER_SCOPED.contains(&resource)
                || command.name == "why-not" && resource == "pods";
            for &verb in rule.verbs {
                let permission = Permission { verb, group: rule.group, resource };
                questions.push((Question { permission, in_cluster }, rule.necessity));
            }
        }
    }
    questions
}

/// Answers a question from the review of the namespace; `None` if it needs a SelfSubjectAccessReview.
pub(crate) fn decide(review: Option<&RulesReview>, question: Question) -> Option<bool> {
    let review = review?;
    let is_granted = review.resource_rules.iter().any(|rule| rule.grants(question.permission));
    match is_granted {
        true if !question.in_cluster => Some(true),
        // What is granted in the whole cluster is granted in each namespace, too.
        false if !review.incomplete => Some(false),
        true | false => None,
    }
}

/// What a user lacks for a command.
#[derive(Clone, Debug)]
pub(crate) struct CommandPermissions {
    pub(crate) command: &'static str,
    /// The ClusterRole of the command: a file in the repository.
    pub(crate) role: &'static str,
    pub(crate) namespaces: Namespaces,
    pub(crate) missing: BTreeMap<Necessity, Vec<Permission>>,
    /// Permissions about which the server gave no answer.
    pub(crate) undetermined: Vec<Permission>,
}

impl CommandPermissions {
    pub(super) fn status(&self) -> CheckStatus {
        // Neither with the option nor without it.
        let is_cornered = |necessity: &Necessity| match necessity {
            Necessity::Required => true,
            Necessity::Without(option) => self.missing.contains_key(&Necessity::With(option)),
            Necessity::Partial | Necessity::With(_) => false,
        };
        if self.missing.keys().any(is_cornered) {
            CheckStatus::Fail
        } else if !self.missing.is_empty() {
            CheckStatus::Warning
        } else if !self.undetermined.is_empty() {
            CheckStatus::Unknown
        } else {
            CheckStatus::Pass
        }
    }
}

/// What the user lacks for each command.
pub(crate) fn evaluate(answers: &Answers) -> Vec<CommandPermissions> {
    let evaluated = COMMANDS.iter().map(|command| {
        let mut missing = BTreeMap::<Necessity, Vec<Permission>>::new();
        let mut undetermined = Vec::new();
        for (question, necessity) in command_questions(command, answers.namespaces) {
            match answers.allowed.get(&question).copied().flatten() {
                Some(true) => {}
                Some(false) => missing.entry(necessity).or_default().push(question.permission),
                None => undetermined.push(question.permission),
            }
        }
        let CommandRules { name, role, .. } = *command;
        CommandPermissions { command: name, role, namespaces: answers.namespaces, missing, undetermined }
    });
    evaluated.collect()
}
