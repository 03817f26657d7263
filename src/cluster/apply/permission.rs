//! Recognizes the message of a missing permission.

/// The verb that the user may not use, if this is the message of a missing permission. The rejection of an admission plugin
/// is a 403, too.
///
/// Upstream: `apiserver/pkg/endpoints/handlers/responsewriters/errors.go` `forbiddenMessage`.
pub(super) fn missing_permission(message: &str, resource: &str) -> Option<&'static str> {
    ["get", "create", "patch"]
        .into_iter()
        .find(|verb| message.contains(&format!(" cannot {verb} resource \"{resource}\"")))
}
