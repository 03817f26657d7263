//! Which objects to load.

use crate::snapshot::DaemonSetName;

/// Selects the objects to load.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    /// Only this namespace; `None` for all.
    pub(crate) namespace: Option<String>,
    /// Only DaemonSets with these names; empty for all.
    pub(crate) names: Vec<DaemonSetName>,
    /// Only DaemonSets with these labels.
    pub(crate) selector: Option<String>,
    /// Only nodes with these labels.
    pub(crate) nodes: Option<String>,
}

impl Request {
    /// The DaemonSets with these names, those without a namespace in `namespace`; all of `namespace` without names.
    pub(crate) fn new(namespace: Option<String>, mut names: Vec<DaemonSetName>) -> Self {
        for name in &mut names {
            name.namespace = name.namespace.take().or_else(|| namespace.clone());
        }
        let shared = match names.split_first() {
            Some((first, rest)) if rest.iter().all(|name| name.namespace == first.namespace) => first.namespace.clone(),
            Some(_) => None,
            None => namespace,
        };
        Self { namespace: shared, names, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespace_of_a_name_precedes_the_one_of_the_request() {
        let name = |namespace: Option<&str>, name: &str| DaemonSetName {
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
        };
        let request = |namespace: Option<&str>, names: &[DaemonSetName]| {
            let request = Request::new(namespace.map(str::to_owned), names.to_vec());
            (request.namespace, request.names)
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(request(Some("a"), &[]), (some("a"), Vec::new()));
        assert_eq!(request(Some("a"), &[name(None, "x")]), (some("a"), vec![name(Some("a"), "x")]));
        assert_eq!(request(Some("a"), &[name(Some("b"), "x")]), (some("b"), vec![name(Some("b"), "x")]));
        let both = [name(None, "x"), name(Some("b"), "x")];
        assert_eq!(request(Some("a"), &both), (None, vec![name(Some("a"), "x"), name(Some("b"), "x")]));
        assert_eq!(request(None, &[name(None, "x")]), (None, vec![name(None, "x")]));
    }
}
