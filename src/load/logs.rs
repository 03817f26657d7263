//! Loads the ends of the logs of crashed containers.

use futures::{StreamExt, stream};

use super::Source;
use crate::error::Error;
use crate::explain::log_excerpt::{ContainerRef, LogExcerpt};
use crate::render::terminal;

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
