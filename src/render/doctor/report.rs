//! `kind: DoctorReport`.

use jiff::Timestamp;
use serde::Serialize;

use super::text::{self, Fix};
use crate::doctor::checks::{Check, Evidence};
use crate::doctor::{CheckStatus, Facts};
use crate::render::structured::{API_VERSION, to_the_second};
use crate::snapshot::Permission;

/// The document of `doctor`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report<'r> {
    api_version: &'static str,
    kind: &'static str,
    #[serde(serialize_with = "to_the_second")]
    as_of: Timestamp,
    /// The context of the kubeconfig.
    context: Option<&'r str>,
    /// The URL of the API server.
    server: Option<&'r str>,
    /// Null for all namespaces.
    namespace: Option<&'r str>,
    server_version: Option<&'r str>,
    user: Option<&'r str>,
    /// How many seconds the clock of the API server is ahead of this machine's.
    clock_offset_seconds: Option<i64>,
    checks: Vec<CheckView>,
}

/// One check.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct CheckView {
    check: CheckName,
    status: CheckStatus,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<Fix>,
    /// With the check Permissions: the command.
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<&'static str>,
    /// The permissions that the user does not have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing: Vec<PermissionView>,
    /// The permissions about which the API server gave no answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    undetermined: Vec<PermissionView>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
enum CheckName {
    Kubeconfig,
    ApiServer,
    Version,
    Clock,
    Credentials,
    Permissions,
    MetricsApi,
    Plugin,
    Completion,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct PermissionView {
    verb: &'static str,
    /// As kubectl writes it: `daemonsets.apps`.
    resource: String,
}

impl<'r> Report<'r> {
    pub(crate) fn new(facts: &'r Facts, checks: &[Check<'_>], as_of: Timestamp) -> Self {
        let configuration = facts.configuration.as_ref().ok();
        let server = facts.server.as_ref().and_then(|server| server.as_ref().ok());
        let clock = checks.iter().find_map(|check| match check.evidence {
            Evidence::Clock(offset) => offset,
            _ => None,
        });
        Self {
            api_version: API_VERSION,
            kind: "DoctorReport",
            as_of,
            context: configuration.and_then(|configuration| configuration.context.as_deref()),
            server: configuration.map(|configuration| configuration.server.as_str()),
            namespace: configuration.and_then(|configuration| configuration.namespace.as_deref()),
            server_version: server.map(|server| server.version.as_str()),
            user: facts.session.as_ref().and_then(|session| session.user.as_ref().ok()?.as_deref()),
            clock_offset_seconds: clock,
            checks: checks.iter().map(|check| view(facts, check)).collect(),
        }
    }
}

fn view(facts: &Facts, check: &Check<'_>) -> CheckView {
    let permissions = |list: &[Permission]| -> Vec<PermissionView> {
        list.iter().map(|one| PermissionView { verb: one.verb, resource: text::resource(one) }).collect()
    };
    let (name, command) = match &check.evidence {
        Evidence::Kubeconfig(_) => (CheckName::Kubeconfig, None),
        Evidence::ApiServer(_) => (CheckName::ApiServer, None),
        Evidence::Version { .. } => (CheckName::Version, None),
        Evidence::Clock(_) => (CheckName::Clock, None),
        Evidence::Credentials(_) => (CheckName::Credentials, None),
        Evidence::Permissions(command) => (CheckName::Permissions, Some(command)),
        Evidence::Metrics(_) => (CheckName::MetricsApi, None),
        Evidence::Plugin(_) => (CheckName::Plugin, None),
        Evidence::Completion(_) => (CheckName::Completion, None),
    };
    let missing: Vec<Permission> =
        command.iter().flat_map(|command| command.missing.values().flatten()).copied().collect();
    CheckView {
        check: name,
        status: check.status,
        message: text::message(facts, &check.evidence),
        fix: text::fix(check),
        command: command.map(|command| command.command),
        missing: permissions(&missing),
        undetermined: command.map(|command| permissions(&command.undetermined)).unwrap_or_default(),
    }
}
