//! Loads the ends of the logs of crashed containers, and the names of containers.

use std::collections::HashMap;

use futures::{StreamExt, stream};
use k8s_openapi::api::apps::v1::DaemonSet;

use super::Source;
use crate::cluster::access::Access;
use crate::cluster::query::Scope;
use crate::error::Error;
use crate::explain::log_excerpt::{ContainerRef, LogExcerpt};
use crate::render::terminal;
use crate::snapshot::PodContainers;
use crate::snapshot::selector::covering;

/// The most logs for one answer.
const LOGS: usize = 8;
/// How many logs are read concurrently.
const AT_ONCE: usize = 4;

impl Source {
    /// The last lines of the previous runs of these containers. A saved cluster has no logs.
    pub(crate) async fn previous_logs(&self, containers: Vec<ContainerRef>) -> Vec<LogExcerpt> {
        let Self::Live(access) = self else { return Vec::new() };
        let read = |of: ContainerRef| async move {
            let lines = access.previous_log(&of.namespace, &of.pod, &of.container).await;
            lines.map(|lines| LogExcerpt { of, lines })
        };
        let logs: Vec<Result<LogExcerpt, Error>> =
            stream::iter(containers.into_iter().take(LOGS)).map(read).buffered(AT_ONCE).collect().await;
        if let Some(Err(error)) = logs.iter().find(|log| log.is_err()) {
            terminal::note(&format!("{error}; logs are not shown (--no-logs omits this note)"));
        }
        logs.into_iter().filter_map(Result::ok).filter(|log| !log.lines.is_empty()).collect()
    }
}

/// The containers of the pods of a DaemonSet, by the uid of the pod.
///
/// # Errors
/// The pods cannot be listed.
pub(crate) async fn containers(
    access: &Access,
    daemon_set: &DaemonSet,
) -> Result<HashMap<String, PodContainers>, Error> {
    let namespace = daemon_set.metadata.namespace.clone().unwrap_or_default();
    let labels = covering(std::slice::from_ref(daemon_set));
    let pods = access.bulk::<PodContainers>(&Scope::Namespace(namespace), labels.as_deref(), Some).await?;
    Ok(pods.items.into_iter().map(|pod| (pod.metadata.uid.clone(), pod)).collect())
}

/// The containers of one pod; `None` if it does not exist. It is listed, so that no permission to get pods is needed.
///
/// # Errors
/// The pod cannot be listed.
pub(crate) async fn containers_of_pod(
    access: &Access,
    namespace: &str,
    pod: &str,
) -> Result<Option<PodContainers>, Error> {
    let scope = Scope::Namespace(namespace.to_owned());
    let found = access.bulk_by_field::<PodContainers>(&scope, &format!("metadata.name={pod}"), Some).await?;
    Ok(found.items.into_iter().next())
}
