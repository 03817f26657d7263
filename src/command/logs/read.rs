//! Prints logs that end, one node after another: at three in the morning, the story of one node is read from its first
//! line to its last, and the same run in a pipe gives the same text. Lines of several nodes mixed by their arrival would be
//! in no order at all, as their clocks differ. Up to `--max-log-requests` logs are opened ahead, and wait unread.

use std::ops::ControlFlow;
use std::process::ExitCode;

use futures::{StreamExt, stream};

use super::options::LogsOptions;
use super::output::Output;
use super::selected::Selected;
use crate::activity::{Activity, begin};
use crate::cluster::access::Access;
use crate::cluster::log_stream::{LogQuery, LogStream};
use crate::error::Error;
use crate::logs::{LineSplitter, LogSource, Run};
use crate::render::logs::{Label, incomplete, line, unreadable};

/// Prints all logs. The exit code is 1 if one of them is missing or incomplete.
///
/// # Errors
/// The API server cannot be reached or gives no permission; the output cannot be written.
pub(super) async fn read(
    access: &Access,
    selected: &Selected,
    options: &LogsOptions,
    output: &Output,
) -> Result<ExitCode, Error> {
    let open = |source: &LogSource| {
        let query = query(source, selected, options);
        let (source, namespace) = (source.clone(), selected.namespace.clone());
        async move {
            let _opening = begin(Activity::Objects { resource: "logs".into(), server: access.server().to_owned() });
            let opened = access.open_log(&namespace, &source.pod, &query).await;
            (source, opened)
        }
    };
    let mut logs = stream::iter(&selected.sources).map(open).buffered(options.max_log_requests);
    // Without trouble, nothing is selected.
    let is_expected = options.trouble || !selected.nodes.is_empty();
    let mut is_complete = is_expected && selected.missing.is_empty();
    loop {
        let next = tokio::select! {
            next = logs.next() => next,
            () = output.closed() => return Ok(ExitCode::SUCCESS),
        };
        let Some((source, opened)) = next else { break };
        let note = match opened {
            Ok(mut log) => match print(&mut log, &label(&source, selected), output).await {
                Ok(ControlFlow::Break(())) => return Ok(ExitCode::SUCCESS),
                Ok(ControlFlow::Continue(())) => continue,
                Err(error) => incomplete(&source.node, &source.container, &error),
            },
            Err(error @ Error::Api { .. }) => unreadable(&source.node, &source.container, &error),
            Err(error) => return Err(error),
        };
        is_complete = false;
        if output.note(note).await.is_break() {
            return Ok(ExitCode::SUCCESS);
        }
    }
    // Last, so that they are not scrolled away by the logs.
    for missing in &selected.missing {
        if output.note(missing.clone()).await.is_break() {
            break;
        }
    }
    Ok(if is_complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn query(source: &LogSource, selected: &Selected, options: &LogsOptions) -> LogQuery {
    LogQuery {
        container: source.container.clone(),
        follow: false,
        previous: source.run == Run::Previous,
        since: options.since,
        tail_lines: options.tail_lines(selected.nodes.len() > 1),
        limit_bytes: options.limit_bytes,
        timestamps: options.timestamps,
    }
}

pub(super) fn label(source: &LogSource, selected: &Selected) -> Label {
    selected.labels.label(&source.node, selected.number(&source.node), &source.container)
}

/// Prints one log to its end. `Break`: the reader has closed the pipe.
async fn print(log: &mut LogStream, label: &Label, output: &Output) -> Result<ControlFlow<()>, Error> {
    let mut splitter = LineSplitter::default();
    loop {
        let mut lines = Vec::new();
        let next = tokio::select! {
            next = log.next(|bytes| splitter.push(bytes, |text, _| line(&mut lines, label, None, text))) => next,
            () = output.closed() => return Ok(ControlFlow::Break(())),
        };
        if !matches!(next, Ok(true)) {
            splitter.finish(|text, _| line(&mut lines, label, None, text));
        }
        if output.lines(lines).await.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        if !next? {
            return Ok(ControlFlow::Continue(()));
        }
    }
}
