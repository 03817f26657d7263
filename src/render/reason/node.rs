//! The words for nodes that are being maintained or drained.

/// What a lifecycle condition means. Safe text.
pub(super) fn lifecycle(condition: &str) -> String {
    match condition {
        "GracefulNodeShutdownInProgress" => "node is shutting down",
        "Drained" => "node is drained",
        "DrainInProgress" => "node is being drained",
        "MaintenanceInProgress" => "node is in maintenance",
        _ => "maintenance of the node is planned",
    }
    .into()
}
