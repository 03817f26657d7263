//! What comes before the first removal: the plan, what it needs, and the question.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;

use super::eyes::{Seen, not_observed};
use super::policy::{Mode, check_strategy};
use super::shell::Shell;
use super::teller::Teller;
use super::{present, prompt};
use crate::cluster::list::Scope;
use crate::cluster::remove::Removed;
use crate::cycle::{LockStatus, Look, Outcome, PodRef, Removal, Run, Summary, barrier};
use crate::error::Error;
use crate::render::cycle::{Told, barrier_in_words, question};
use crate::render::terminal;

/// How long the controller may take to see the newest template before the plan is made.
const OBSERVED: SignedDuration = SignedDuration::from_secs(60);

impl Shell {
    /// A template that was applied a moment ago has no revision yet.
    pub(super) async fn until_observed(&mut self) -> Result<(), Error> {
        let begun = Timestamp::now();
        let mut is_fresh = true;
        loop {
            let seen = Look::at(self.eyes.snapshot(), |look| {
                check_strategy(look, &self.wish.policy)?;
                Ok::<_, Error>((look.is_observed(), not_observed(look.coverage)))
            });
            let (is_observed, missing) = seen.ok_or_else(|| self.gone())??;
            if is_observed {
                return Ok(());
            }
            if Timestamp::now().duration_since(begun) > OBSERVED {
                if is_fresh {
                    return Err(missing);
                }
                // What was seen before a suspend is no reason to give up.
                self.eyes.refresh().await?;
                is_fresh = true;
                continue;
            }
            let seen = tokio::select! {
                seen = self.eyes.wait(None) => seen?,
                code = self.signals.next() => return Err(Error::Interrupted { code }),
            };
            is_fresh = seen == Seen::Missed;
            if is_fresh {
                self.eyes.refresh().await?;
            }
        }
    }

    /// Shows the plan.
    pub(super) async fn plan(&mut self) -> Result<(Run, Teller), Error> {
        let budgets = match self.wish.policy.removal {
            Removal::Evict => self.disruption_budgets().await?,
            Removal::Delete => Vec::new(),
        };
        let lock = self.lock_status().await?;
        let planned = Look::at(self.eyes.snapshot(), |look| {
            let (run, teller) = present(look, &self.wish, Some(lock))?;
            match barrier(look, &budgets).filter(|_| !run.entries().is_empty()) {
                Some(barrier) => {
                    let (message, hint) = barrier_in_words(&barrier);
                    Err(Error::Usage { message, hint })
                }
                None => Ok((run, teller)),
            }
        });
        planned.ok_or_else(|| self.gone())?
    }

    async fn disruption_budgets(&self) -> Result<Vec<PodDisruptionBudget>, Error> {
        let namespace = self.wish.request.namespace.clone().unwrap_or_default();
        match self.eyes.access.list::<PodDisruptionBudget>(&Scope::Namespace(namespace), None, None).await {
            Ok(listed) => Ok(listed.items),
            Err(error @ Error::Forbidden { .. }) => {
                terminal::note(&format!("{error}: a budget that never allows an eviction would not be noticed"));
                Ok(Vec::new())
            }
            Err(error) => Err(error),
        }
    }

    /// Whether the plan may be carried out; an outcome where it may not.
    pub(super) async fn permission(&mut self, run: &Run, teller: &Teller) -> Result<Option<Outcome>, Error> {
        let Some(first) = run.entries().first() else {
            let is_plan = self.wish.mode == Mode::Plan;
            return Ok(Some(if is_plan { Outcome::Planned } else { Outcome::Finished }));
        };
        if self.wish.mode == Mode::Plan {
            return Ok(Some(Outcome::Planned));
        }
        // A lack of rights is said before anybody is asked, and before anything is removed.
        self.remove(&first.pod, None, true).await?;
        let Mode::Real { is_answered } = self.wish.mode else { return Ok(None) };
        if let Some(LockStatus::Unavailable { message, .. }) = teller.lock() {
            return Err(Error::NoLock { cause: message.clone() });
        }
        if is_answered {
            return Ok(None);
        }
        // Who asks for documents is not shown the plan either.
        if self.wish.output.is_some() || !prompt::can_ask() {
            return Err(Error::Usage {
                message: "whether the pods may be replaced cannot be asked here: there is no terminal, or -o".into(),
                hint: "--yes answers beforehand; --dry-run=client shows the plan".into(),
            });
        }
        let is_yes = prompt::ask(&question(false, Summary::of(run), teller.place()), &mut self.signals).await?;
        Ok((!is_yes).then_some(Outcome::Declined))
    }

    /// Sends every removal as a dry run.
    pub(super) async fn rehearse(&mut self, run: &mut Run, teller: &mut Teller) -> Result<Outcome, Error> {
        let planned: Vec<(String, PodRef)> =
            run.entries().iter().map(|entry| (entry.node.clone(), entry.pod.clone())).collect();
        for (node, pod) in planned {
            let now = Timestamp::now();
            let news;
            let told = match self.remove(&pod, None, true).await? {
                Removed::Accepted => Told::WouldRemove { node: &node, pod: &pod },
                Removed::NotThere => Told::Remark("a pod of the plan is not there any more"),
                Removed::Changed { message } | Removed::NotNow { message, .. } | Removed::Denied { message } => {
                    run.begin(&node, &pod, now);
                    news = run.fail(&node, &message);
                    Told::News(&news)
                }
            };
            teller.event(told, None, run, now)?;
        }
        Ok(Outcome::Planned)
    }
}
