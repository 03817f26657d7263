//! What comes before the first removal: the plan, what it needs, and the question.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;

use super::executor::Executor;
use super::observer::{WakeReason, not_observed};
use super::options::{Mode, check_strategy};
use super::reporter::Reporter;
use super::{present, prompt};
use crate::cluster::delete::DeleteOutcome;
use crate::cluster::list::Scope;
use crate::cycle::{CycleOutcome, LockStatus, Observation, PodRef, RemovalMethod, Run, Summary, pdb_conflict};
use crate::error::Error;
use crate::render::cycle::{ReportEvent, barrier_in_words, question};
use crate::render::terminal;

/// How long the controller may take to see the newest template before the plan is made.
const REVISION_TIMEOUT: SignedDuration = SignedDuration::from_secs(60);

impl Executor {
    /// A template that was applied a moment ago has no revision yet.
    pub(super) async fn until_observed(&mut self) -> Result<(), Error> {
        let begun = Timestamp::now();
        let mut is_fresh = true;
        loop {
            let seen = Observation::at(self.observer.snapshot(), |observation| {
                check_strategy(observation, &self.options.policy)?;
                Ok::<_, Error>((observation.is_observed(), not_observed(observation.coverage)))
            });
            let (is_observed, missing) = seen.ok_or_else(|| self.gone())??;
            if is_observed {
                return Ok(());
            }
            if Timestamp::now().duration_since(begun) > REVISION_TIMEOUT {
                if is_fresh {
                    return Err(missing);
                }
                // What was seen before a suspend is no reason to give up.
                self.observer.refresh().await?;
                is_fresh = true;
                continue;
            }
            let seen = tokio::select! {
                seen = self.observer.wait(None) => seen?,
                code = self.signals.next() => return Err(Error::Interrupted { code }),
            };
            is_fresh = seen == WakeReason::Missed;
            if is_fresh {
                self.observer.refresh().await?;
            }
        }
    }

    /// Shows the plan.
    pub(super) async fn plan(&mut self) -> Result<(Run, Reporter), Error> {
        let budgets = match self.options.policy.removal {
            RemovalMethod::Evict => self.disruption_budgets().await?,
            RemovalMethod::Delete => Vec::new(),
        };
        let lock = self.lock_status().await?;
        let planned = Observation::at(self.observer.snapshot(), |observation| {
            let (run, reporter) = present(observation, &self.options, Some(lock))?;
            match pdb_conflict(observation, &budgets).filter(|_| !run.tasks().is_empty()) {
                Some(pdb_conflict) => {
                    let (message, hint) = barrier_in_words(&pdb_conflict);
                    Err(Error::Usage { message, hint })
                }
                None => Ok((run, reporter)),
            }
        });
        planned.ok_or_else(|| self.gone())?
    }

    async fn disruption_budgets(&self) -> Result<Vec<PodDisruptionBudget>, Error> {
        let namespace = self.options.request.namespace.clone().unwrap_or_default();
        match self.observer.access.list::<PodDisruptionBudget>(&Scope::Namespace(namespace), None, None).await {
            Ok(listed) => Ok(listed.items),
            Err(error @ Error::Forbidden { .. }) => {
                terminal::note(&format!("{error}: a budget that never allows an eviction would not be noticed"));
                Ok(Vec::new())
            }
            Err(error) => Err(error),
        }
    }

    /// Whether the plan may be carried out; an outcome where it may not.
    pub(super) async fn confirm(&mut self, run: &Run, reporter: &Reporter) -> Result<Option<CycleOutcome>, Error> {
        let Some(first) = run.tasks().first() else {
            let is_plan = self.options.mode == Mode::Plan;
            return Ok(Some(if is_plan { CycleOutcome::Planned } else { CycleOutcome::Finished }));
        };
        if self.options.mode == Mode::Plan {
            return Ok(Some(CycleOutcome::Planned));
        }
        // A lack of rights is said before anybody is asked, and before anything is removed.
        self.remove(&first.pod, None, true).await?;
        let Mode::Execute { confirmed } = self.options.mode else { return Ok(None) };
        if let Some(LockStatus::Unavailable { message, .. }) = reporter.lock() {
            return Err(Error::NoLock { cause: message.clone() });
        }
        if confirmed {
            return Ok(None);
        }
        // Who asks for documents is not shown the plan either.
        if self.options.output.is_some() || !prompt::can_ask() {
            return Err(Error::Usage {
                message: "whether the pods may be replaced cannot be asked here: there is no terminal, or -o".into(),
                hint: "--yes answers beforehand; --dry-run=client shows the plan".into(),
            });
        }
        let is_yes =
            prompt::ask(&question(false, Summary::new(run), reporter.daemon_set_ref()), &mut self.signals).await?;
        Ok((!is_yes).then_some(CycleOutcome::Declined))
    }

    /// Sends every removal as a dry run.
    pub(super) async fn server_dry_run(
        &mut self,
        run: &mut Run,
        reporter: &mut Reporter,
    ) -> Result<CycleOutcome, Error> {
        let planned: Vec<(String, PodRef)> =
            run.tasks().iter().map(|task| (task.node.clone(), task.pod.clone())).collect();
        for (node, pod) in planned {
            let now = Timestamp::now();
            let news;
            let event = match self.remove(&pod, None, true).await? {
                DeleteOutcome::Accepted => ReportEvent::WouldRemove { node: &node, pod: &pod },
                DeleteOutcome::NotThere => ReportEvent::ConnectionNote("a pod of the plan is not there any more"),
                DeleteOutcome::Changed { message }
                | DeleteOutcome::RetryLater { message, .. }
                | DeleteOutcome::Denied { message } => {
                    run.begin(&node, &pod, now);
                    news = run.fail(&node, &message);
                    ReportEvent::NodeEvent(&news)
                }
            };
            reporter.event(event, None, run, now)?;
        }
        Ok(CycleOutcome::Planned)
    }
}
