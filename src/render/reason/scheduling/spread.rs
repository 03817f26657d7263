//! The words of [`SpreadRejection`].

use super::affinity::label_node;
use crate::render::remedy::{Remedy, RemedyContext};
use crate::render::text::pluralize;
use crate::scheduling::SpreadRejection;

/// The cause without what differs between nodes.
pub(super) fn summary(rejection: &SpreadRejection) -> String {
    match rejection {
        SpreadRejection::TopologySpreadLabel { topology_key } => {
            format!("the node lacks the label {topology_key} of the topology spread")
        }
        SpreadRejection::TopologySpread { topology_key, .. } => {
            format!("the spread over {topology_key} would be uneven")
        }
    }
}

/// The cause with its evidence.
pub(super) fn detail(rejection: &SpreadRejection) -> String {
    match rejection {
        SpreadRejection::TopologySpreadLabel { topology_key } => {
            format!("the topology spread goes by the label {topology_key}, which the node does not have")
        }
        SpreadRejection::TopologySpread {
            topology_key,
            topology_value,
            selector,
            matching,
            self_match,
            min_matching,
            domains,
            min_domains,
            max_skew,
        } => {
            let would_have = matching + usize::from(*self_match);
            let pods = pluralize(would_have, "pod");
            let rest = match domains < min_domains {
                true => format!(
                    "and with {} instead of minDomains {min_domains} the fewest count as 0",
                    pluralize(*domains, "domain")
                ),
                false => format!("the domain with the fewest has {min_matching}"),
            };
            format!("{topology_key}={topology_value} would have {pods} with {selector}, {rest}: maxSkew is {max_skew}")
        }
    }
}

/// What to do about it.
pub(super) fn remedies(rejection: &SpreadRejection, target: &RemedyContext<'_>) -> Vec<Remedy> {
    let relax =
        Remedy::run("set whenUnsatisfiable of the constraint to ScheduleAnyway in the template", [target.edit()]);
    match rejection {
        SpreadRejection::TopologySpreadLabel { topology_key } => vec![label_node(topology_key, target), relax],
        SpreadRejection::TopologySpread { domains, min_domains, .. } if domains < min_domains => vec![
            Remedy::run(
                "drop minDomains from the constraint in the template: of a pod pinned to its node only that node counts, unless nodeAffinityPolicy is Ignore",
                [target.edit()],
            ),
            relax,
        ],
        SpreadRejection::TopologySpread { .. } => vec![
            Remedy::run(
                "drop nodeAffinityPolicy Ignore from the constraint in the template: then only the pod's own node counts",
                [target.edit()],
            ),
            relax,
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: RemedyContext<'_> = RemedyContext::named("n1", "a", "agent", None);

    fn uneven(domains: usize, min_domains: usize) -> SpreadRejection {
        SpreadRejection::TopologySpread {
            topology_key: "zone".into(),
            topology_value: "z1".into(),
            selector: "app=agent".into(),
            matching: 2,
            self_match: true,
            min_matching: 0,
            domains,
            min_domains,
            max_skew: 1,
        }
    }

    #[test]
    fn an_uneven_spread_is_told_in_numbers() {
        assert_eq!(
            detail(&uneven(3, 1)),
            "zone=z1 would have 3 pods with app=agent, the domain with the fewest has 0: maxSkew is 1"
        );
        assert_eq!(
            detail(&uneven(1, 2)),
            "zone=z1 would have 3 pods with app=agent, and with 1 domain instead of minDomains 2 the fewest count as 0: \
             maxSkew is 1"
        );
        assert!(remedies(&uneven(3, 1), &TARGET)[0].text.contains("nodeAffinityPolicy Ignore"));
        assert!(remedies(&uneven(1, 2), &TARGET)[0].text.starts_with("drop minDomains"));
    }

    #[test]
    fn a_missing_label_is_named_with_the_line_that_sets_it() {
        let missing = SpreadRejection::TopologySpreadLabel { topology_key: "zone".into() };
        assert_eq!(detail(&missing), "the topology spread goes by the label zone, which the node does not have");
        let lines: Vec<String> =
            remedies(&missing, &TARGET).iter().flat_map(|remedy| remedy.lines().to_vec()).collect();
        assert_eq!(lines, ["kubectl label node n1 zone=VALUE", "kubectl -n a edit daemonset agent"]);
    }
}
