//! The sentences and remedies of [`SpreadRejection`].

use super::affinity::label_node;
use crate::render::remedy::{Remedy, RemedyContext};
use crate::render::text::pluralize;
use crate::scheduling::SpreadRejection;

pub(super) fn summary(rejection: &SpreadRejection) -> String {
    match rejection {
        SpreadRejection::TopologySpreadLabel { topology_key } => {
            format!("the node has no label {topology_key}, which the topology spread requires")
        }
        SpreadRejection::TopologySpread { topology_key, .. } => {
            format!("topology spread over {topology_key} would exceed maxSkew")
        }
    }
}

pub(super) fn detail(rejection: &SpreadRejection) -> String {
    match rejection {
        SpreadRejection::TopologySpreadLabel { topology_key } => {
            format!("the topology spread uses topologyKey {topology_key}, but the node has no such label")
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
                    "the minimum counts as 0 (minDomains {min_domains}, but only {})",
                    pluralize(*domains, "domain")
                ),
                false => format!("the domain with the fewest pods has {min_matching}"),
            };
            format!("{topology_key}={topology_value} would have {pods} with {selector}; {rest}; maxSkew is {max_skew}")
        }
    }
}

pub(super) fn remedies(rejection: &SpreadRejection, target: &RemedyContext<'_>) -> Vec<Remedy> {
    let relax =
        Remedy::run("set whenUnsatisfiable of the constraint to ScheduleAnyway in the template", [target.edit()]);
    match rejection {
        SpreadRejection::TopologySpreadLabel { topology_key } => vec![label_node(topology_key, target), relax],
        SpreadRejection::TopologySpread { domains, min_domains, .. } if domains < min_domains => vec![
            Remedy::run(
                "remove minDomains from the constraint in the template: a daemon pod is pinned to one node, so only \
                 one domain counts unless nodeAffinityPolicy is Ignore",
                [target.edit()],
            ),
            relax,
        ],
        SpreadRejection::TopologySpread { .. } => vec![
            Remedy::run(
                "remove nodeAffinityPolicy Ignore from the constraint in the template: then only the domain of the \
                 pod's own node counts",
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
    fn uneven_spread_is_described_with_numbers() {
        assert_eq!(
            detail(&uneven(3, 1)),
            "zone=z1 would have 3 pods with app=agent; the domain with the fewest pods has 0; maxSkew is 1"
        );
        assert_eq!(
            detail(&uneven(1, 2)),
            "zone=z1 would have 3 pods with app=agent; the minimum counts as 0 (minDomains 2, but only 1 domain); \
             maxSkew is 1"
        );
        assert!(remedies(&uneven(3, 1), &TARGET)[0].text.contains("nodeAffinityPolicy Ignore"));
        assert!(remedies(&uneven(1, 2), &TARGET)[0].text.starts_with("remove minDomains"));
    }

    #[test]
    fn missing_topology_label_is_set_by_a_command() {
        let missing = SpreadRejection::TopologySpreadLabel { topology_key: "zone".into() };
        assert_eq!(detail(&missing), "the topology spread uses topologyKey zone, but the node has no such label");
        let lines: Vec<String> =
            remedies(&missing, &TARGET).iter().flat_map(|remedy| remedy.lines().to_vec()).collect();
        assert_eq!(lines, ["kubectl label node n1 zone=VALUE", "kubectl -n a edit daemonset agent"]);
    }
}
