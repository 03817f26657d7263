//! The tests. Each module names its own in `TESTS`; [`all`] collects them.

mod admission;
pub(crate) mod agreement;
mod alerts;
mod api_versions;
mod cluster_roles;
mod control_plane;
mod coverage_watch;
mod credentials;
mod cycle;
mod decoders;
mod doctor;
mod error_messages;
mod first_hour;
mod kubectl_formats;
mod kubectl_habits;
mod kubelet;
mod logs;
mod manifest_defaults;
mod node_states;
mod packaging;
mod permissions;
mod plan_agreement;
mod plan_rights;
mod plan_traps;
mod remedies;
mod remedy_proofs;
mod reported_problems;
mod rollout_change;
mod rollout_history;
mod rollout_scenarios;
mod rollout_watch;
mod saved_clusters;
mod scheduler_messages;
mod status_counts;
mod terminal;
mod volumes;
mod yaml;

use crate::harness::registry::{LiveTest, Run};

const MODULES: &[&[LiveTest]] = &[
    admission::TESTS,
    agreement::TESTS,
    alerts::TESTS,
    api_versions::TESTS,
    cluster_roles::TESTS,
    control_plane::TESTS,
    coverage_watch::TESTS,
    credentials::TESTS,
    cycle::TESTS,
    cycle::chaos::TESTS,
    cycle::pairs::TESTS,
    cycle::permissions::TESTS,
    decoders::TESTS,
    doctor::TESTS,
    error_messages::TESTS,
    first_hour::TESTS,
    kubectl_formats::TESTS,
    kubectl_habits::TESTS,
    kubelet::TESTS,
    logs::TESTS,
    manifest_defaults::TESTS,
    node_states::TESTS,
    packaging::TESTS,
    permissions::TESTS,
    plan_agreement::TESTS,
    plan_rights::TESTS,
    plan_traps::TESTS,
    remedies::TESTS,
    remedy_proofs::TESTS,
    reported_problems::TESTS,
    rollout_change::TESTS,
    rollout_history::TESTS,
    rollout_scenarios::TESTS,
    rollout_watch::TESTS,
    saved_clusters::TESTS,
    scheduler_messages::TESTS,
    status_counts::TESTS,
    terminal::TESTS,
    volumes::TESTS,
    yaml::TESTS,
];

/// Every test by its path, such as `cycle::pairs::locked_runs_keep_the_budget`.
pub(crate) fn all() -> Vec<(String, Run)> {
    MODULES.iter().flat_map(|tests| tests.iter()).flat_map(LiveTest::runs).collect()
}
