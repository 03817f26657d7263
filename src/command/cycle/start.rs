//! The steps before the first pod is deleted: wait for the controller, plan, check permissions, ask for confirmation.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;

use super::execution::Executor;
use super::node_hooks::check_cordon;
use super::observer::{WakeReason, not_observed};
use super::options::{CycleOptions, Mode, check_strategy};
use super::present;
use super::reporter::Reporter;
use crate::cluster::access::Access;
use crate::cluster::delete::DeleteOutcome;
use crate::cluster::lease::DryRun;
use crate::cluster::query::Scope;
use crate::command::prompt;
use crate::cycle::{CycleOutcome, LockStatus, PodRef, RemovalMethod, Run, Summary, pdb_conflict};
use crate::error::Error;
use crate::render::cycle::{Question, ReportEvent, barrier_in_words, question};
use crate::render::terminal;
use crate::snapshot::Permission;

/// How long to wait for the controller to observe the current template.
const REVISION_TIMEOUT: SignedDuration = SignedDuration::from_secs(60);

impl Executor {
    /// Waits until the current template has a revision: after `kubectl apply` it takes a moment.
    pub(super) async fn until_observed(&mut self) -> Result<(), Error> {
        let begun = Timestamp::now();
        let mut is_fresh = true;
        loop {
            let seen = self.observer.observe(|observation| {
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
                // The watched state may be outdated after a suspend: list once more before giving up.
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

    pub(super) async fn plan(&mut self) -> Result<(Run, Reporter), Error> {
        let budgets = match self.options.policy.removal {
            RemovalMethod::Evict => disruption_budgets(&self.observer.access, &self.options).await?,
            RemovalMethod::Delete => Vec::new(),
        };
        let lock = self.lock_status().await?;
        let planned = self.observer.observe(|observation| {
            let (run, reporter) = present(observation, self.observer.snapshot(), &self.options, Some(lock))?;
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

    /// Checks permissions and asks for confirmation. Returns an outcome if the plan is not to be executed.
    pub(super) async fn confirm(&mut self, run: &Run, reporter: &Reporter) -> Result<Option<CycleOutcome>, Error> {
        let Some(first_task) = run.tasks().first() else {
            let is_plan = self.options.mode == Mode::Plan;
            return Ok(Some(if is_plan { CycleOutcome::Planned } else { CycleOutcome::Finished }));
        };
        if self.options.mode == Mode::Plan {
            return Ok(Some(CycleOutcome::Planned));
        }
        check_watches(&self.observer.access, &self.options).await?;
        // Dry runs report missing permissions before the question and before the first delete.
        if let Some(first) = run.tasks().iter().find(|task| run.is_untouched(&task.node)) {
            self.remove(&first.pod, None, DryRun::Server).await?;
        }
        check_cordon(&self.observer.access, &self.options, &first_task.node).await?;
        let Mode::Execute { confirmed } = self.options.mode else { return Ok(None) };
        if let Some(LockStatus::Unavailable { message, .. }) = reporter.lock() {
            return Err(Error::NoLock { cause: message.clone() });
        }
        if confirmed {
            return Ok(None);
        }
        // With --output the plan is not printed, so there is nothing to confirm.
        if self.options.output.is_some() || !prompt::can_ask() {
            return Err(Error::Usage {
                message: "cannot ask for confirmation: standard input is not a terminal, or -o is set".into(),
                hint: "pass --yes to confirm, or --dry-run=client to print the plan only".into(),
            });
        }
        let is_yes =
            prompt::ask(&question(Question::Start, Summary::new(run), reporter.daemon_set_ref()), &mut self.signals)
                .await?;
        Ok((!is_yes).then_some(CycleOutcome::Declined))
    }

    /// Sends every delete or eviction as a server-side dry run.
    pub(super) async fn server_dry_run(
        &mut self,
        run: &mut Run,
        reporter: &mut Reporter,
    ) -> Result<CycleOutcome, Error> {
        // The pod of a node that an earlier run did not finish is not removed again.
        let planned = run.tasks().iter().filter(|task| run.is_untouched(&task.node));
        let planned: Vec<(String, PodRef)> = planned.map(|task| (task.node.clone(), task.pod.clone())).collect();
        for (node, pod) in planned {
            let now = Timestamp::now();
            let news;
            let event = match self.remove(&pod, None, DryRun::Server).await? {
                DeleteOutcome::Accepted => ReportEvent::WouldRemove { node: &node, pod: &pod },
                DeleteOutcome::NotThere => ReportEvent::ConnectionNote("a planned pod no longer exists"),
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

/// The PodDisruptionBudgets of the namespace; none without the permission.
pub(super) async fn disruption_budgets(
    access: &Access,
    options: &CycleOptions,
) -> Result<Vec<PodDisruptionBudget>, Error> {
    let namespace = options.daemon_set().0.to_owned();
    match access.list::<PodDisruptionBudget>(&Scope::Namespace(namespace), None, None).await {
        Ok(listed) => Ok(listed.items),
        Err(error @ Error::Forbidden { .. }) => {
            terminal::note(&format!("{error}; cannot check for PodDisruptionBudgets that never allow an eviction"));
            Ok(Vec::new())
        }
        Err(error) => Err(error),
    }
}

/// Whether the changes after a delete can be watched: without them, the run could not tell when the new pod is
/// available.
///
/// # Errors
/// [`Error::Forbidden`]. A server that gives no answer is not an error.
pub(super) async fn check_watches(access: &Access, options: &CycleOptions) -> Result<(), Error> {
    let namespace = options.request.namespace.as_deref();
    for (group, resource) in [("", "nodes"), ("", "pods"), ("apps", "daemonsets"), ("apps", "controllerrevisions")] {
        let namespace = namespace.filter(|_| resource != "nodes");
        let permission = Permission { verb: "watch", group, resource };
        if access.may(permission, namespace).await == Some(false) {
            return Err(Error::Forbidden {
                verb: "watch",
                resource: resource.to_owned(),
                scope: namespace.map(|namespace| format!(" in namespace {namespace:?}")).unwrap_or_default(),
                message: "cycle watches the pods that it replaces".into(),
            });
        }
    }
    Ok(())
}
