//! What only some questions about a node need: pods that do not exist, as they would be made, and what admission and the
//! scheduler's filters read for them; events, where something is not well.

use std::collections::BTreeSet;

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::apps::v1::{ControllerRevision, DaemonSet};
use k8s_openapi::api::core::v1::Event;

use super::live::{events, readable};
use super::{Source, facts};
use crate::admission::{self, Made};
use crate::cluster::connect::Access;
use crate::cluster::list::Scope;
use crate::error::Error;
use crate::explain::way::{self, Way};
use crate::rollout::CurrentRevision;
use crate::scheduling::needs::{needs, needs_after_claims, needs_beside};
use crate::snapshot::Known;
use crate::snapshot::facts::Need;
use crate::snapshot::full_pod::FullPod;
use crate::snapshot::selector;
use crate::snapshot::site::Site;

/// How many pods of the same revision are looked for at once.
const AT_ONCE: usize = 8;
/// The label by which a daemon pod names its revision.
const REVISION_LABEL: &str = "controller-revision-hash";

/// Completes the site for the questions that are open on it, and gives the pods that do not exist, in the order of the
/// DaemonSets.
///
/// # Errors
/// Anything but a lack of rights, which leaves a gap.
pub(crate) async fn complete(source: &Source, site: &mut Site, is_named: bool) -> Result<Vec<Option<Made>>, Error> {
    // Which events explain something is decided before any is looked at.
    let saved = std::mem::replace(&mut site.events, Known::Known(Vec::new()));
    let made = predict(source, site, is_named).await?;
    site.events = match source {
        Source::Live(access) => {
            read_needs(access, site, &made).await?;
            read_events(access, site, &made).await?
        }
        Source::Saved(_) => {
            // Pods like those in question were looked for among the saved ones; to count what is in the way takes all.
            if let Some(why) = &site.facts.partial_pods {
                site.facts.pods = Known::Unknown(why.clone());
            }
            way::event_query(&way::all(site, &made)).select(saved)
        }
    };
    Ok(made)
}

async fn read_events(access: &Access, site: &Site, made: &[Option<Made>]) -> Result<Known<Vec<Event>>, Error> {
    let ways = way::all(site, made);
    let in_question = ways.iter().filter(|way| !way.event_query.is_empty()).map(Way::namespace);
    events(access, &facts::scope_of(in_question), &way::event_query(&ways)).await
}

/// The pods that are not there, as the API server would make them: of each DaemonSet in question.
async fn predict(source: &Source, site: &mut Site, is_named: bool) -> Result<Vec<Option<Made>>, Error> {
    let questions = way::open_questions(site, is_named);
    if questions.is_empty() {
        return Ok(site.daemon_sets.iter().map(|_| None).collect());
    }
    if let Source::Live(access) = source {
        let daemon_sets = questions.iter().map(|&index| &site.daemon_sets[index]);
        let mut needs = BTreeSet::from([Need::LimitRanges, Need::Quotas, Need::ServiceAccounts, Need::Namespaces]);
        for daemon_set in daemon_sets.clone() {
            let of_one = admission::needs(daemon_set);
            needs.extend(of_one.priority_class.map(|_| Need::PriorityClasses));
            needs.extend(of_one.runtime_class.map(|_| Need::RuntimeClasses));
        }
        let scope = facts::scope_of(daemon_sets.map(namespace_of));
        let (revisions, read) = tokio::join!(
            access.list::<ControllerRevision>(&scope, None, None),
            facts::read(access, &mut site.facts, &needs, &scope),
        );
        read?;
        site.revisions = readable(revisions, &mut None)?;
    }
    let siblings: Vec<Option<FullPod>> = stream::iter(questions.iter().map(|&index| &site.daemon_sets[index]))
        .map(|daemon_set| sibling(source, site, daemon_set))
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    let mut made: Vec<Option<Made>> = site.daemon_sets.iter().map(|_| None).collect();
    for (&index, sibling) in questions.iter().zip(siblings) {
        let node = &site.node.metadata.name;
        made[index] = Some(match sibling {
            Some(sibling) => {
                Made { pod: admission::make_like(&sibling, node), is_like_another: true, doubts: Vec::new() }
            }
            None => admission::make(&site.daemon_sets[index], node, &site.facts),
        });
    }
    Ok(made)
}

/// A pod of the current revision on any other node: what webhooks made of it, they would make of this one.
async fn sibling(source: &Source, site: &Site, daemon_set: &DaemonSet) -> Result<Option<FullPod>, Error> {
    let revision = CurrentRevision::of(daemon_set, &site.revisions);
    let Some(Some(hash)) = revision.hash.known() else { return Ok(None) };
    let is_owned = |pod: &FullPod| {
        let owner = pod.metadata.controller();
        owner.is_some_and(|owner| Some(owner.uid.as_str()) == daemon_set.metadata.uid.as_deref())
    };
    match source {
        Source::Live(access) => {
            let scope = Scope::Namespace(namespace_of(daemon_set).to_owned());
            let labels = selector::of_object(&daemon_set.spec.selector);
            let Some(labels) = labels else { return Ok(None) };
            match access.any::<FullPod>(&scope, &format!("{labels},{REVISION_LABEL}={hash}")).await {
                Ok(pod) => Ok(pod.filter(is_owned)),
                Err(Error::Forbidden { .. }) => Ok(None),
                Err(error) => Err(error),
            }
        }
        Source::Saved(_) => {
            let pods = site.facts.pods.known().into_iter().flatten();
            let is_same = |pod: &&FullPod| is_owned(pod) && pod.metadata.labels.get(REVISION_LABEL) == Some(hash);
            Ok(pods.filter(|pod| !pod.is_terminal()).find(is_same).cloned())
        }
    }
}

fn namespace_of(daemon_set: &DaemonSet) -> &str {
    daemon_set.metadata.namespace.as_deref().unwrap_or_default()
}

/// What the scheduler's filters read for the pods in question, in two rounds: only the claims tell whether all pods
/// have to be read.
async fn read_needs(access: &Access, site: &mut Site, made: &[Option<Made>]) -> Result<(), Error> {
    let waiting = way::waiting(site);
    let pods: Vec<FullPod> = made.iter().flatten().map(|made| made.pod.clone()).chain(waiting).collect();
    let neighbours = site.bound.known().into_iter().flatten();
    let nominated = site.nominated.known().into_iter().flatten();
    // Without a pod in question nobody is repelled.
    let beside = if pods.is_empty() { BTreeSet::new() } else { needs_beside(neighbours, nominated) };
    let scope = facts::scope_of(pods.iter().map(|pod| pod.metadata.namespace.as_str()));
    let of_pods: BTreeSet<Need> = pods.iter().flat_map(|pod| needs(pod, &site.node)).chain(beside).collect();
    facts::read(access, &mut site.facts, &of_pods, &scope).await?;
    let of_claims: BTreeSet<Need> = pods.iter().flat_map(|pod| needs_after_claims(pod, &site.facts.claims)).collect();
    facts::read(access, &mut site.facts, &of_claims, &scope).await
}
