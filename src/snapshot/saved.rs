//! Which namespaces the files of a saved cluster cover, for each kind. Only in a covered namespace does the absence of
//! objects mean that there are none.
//!
//! A saved cluster is often incomplete: `kubectl cluster-info dump` writes two namespaces, must-gather those of the
//! platform, `kubectl get -n` one. The rules:
//! - A namespace is covered for a kind if the files contain an object of that kind in it, or a list of that kind in a
//!   file or folder of the namespace (`default/pods.json`, `pods/default.json`), even an empty list.
//! - All namespaces are covered for a kind if one list contains objects of that kind, and objects of two or more
//!   namespaces: `kubectl get -A` prints such a list. They are also covered if the files' only data of the kind is one
//!   empty list that belongs to no namespace.
//! - All namespaces are covered for pods if the files contain the list of all namespaces, and each of them is covered
//!   or has a file or folder of its own.
//! - A DaemonSet whose `.status` counts pods contradicts this if the files contain no pod of its namespace: then that
//!   namespace was not saved.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::apps::v1::{DaemonSet, DaemonSetStatus};

/// The maximum number of namespaces that a message names.
const NAMED: usize = 3;
const POD: &str = "Pod";

/// What was found while the files were read.
#[derive(Clone, Debug, Default)]
pub(crate) struct SavedNamespaces {
    kinds: BTreeMap<String, Seen>,
    /// The namespaces that have a file or a folder of their own.
    folders: BTreeSet<String>,
    /// The namespaces that exist as objects.
    objects: BTreeSet<String>,
    /// Whether `objects` has all namespaces, because one list contained several.
    has_all: bool,
    /// The objects of the current list, and the objects outside of lists in the current file.
    list: Group,
    file: Group,
    in_list: bool,
    /// The namespace that the path of the current file belongs to.
    of_path: Option<String>,
}

#[derive(Clone, Debug, Default)]
struct Seen {
    namespaces: BTreeSet<String>,
    everywhere: bool,
}

/// Objects that were printed together.
#[derive(Clone, Debug, Default)]
struct Group {
    namespaces: BTreeSet<String>,
    kinds: BTreeSet<String>,
    namespace_objects: usize,
}

impl SavedNamespaces {
    /// A file begins, for one namespace if its path has one.
    pub(crate) fn begin_file(&mut self, namespace: Option<&str>) {
        self.of_path = namespace.map(str::to_owned);
        self.file = Group::default();
        self.begin_list(false);
    }

    /// The objects that follow are in a list, or not in a list.
    pub(crate) fn begin_list(&mut self, in_list: bool) {
        self.list = Group::default();
        self.in_list = in_list;
    }

    pub(crate) fn end_list(&mut self) {
        let list = std::mem::take(&mut self.list);
        self.close(&list);
        self.in_list = false;
    }

    /// A file ends: its objects outside of lists were printed together.
    pub(crate) fn end_file(&mut self) {
        self.end_list();
        let file = std::mem::take(&mut self.file);
        self.close(&file);
    }

    fn close(&mut self, group: &Group) {
        if group.namespaces.len() > 1 {
            for kind in &group.kinds {
                self.kinds.entry(kind.clone()).or_default().everywhere = true;
            }
        }
        self.has_all |= group.namespace_objects > 1;
    }

    /// The files contain a typed list of this kind, possibly without items.
    pub(crate) fn saw_list(&mut self, kind: &str) {
        let seen = self.kinds.entry(kind.to_owned()).or_default();
        if let Some(namespace) = &self.of_path {
            seen.namespaces.insert(namespace.clone());
            self.folders.insert(namespace.clone());
        }
    }

    /// The files contain an object of this kind.
    pub(crate) fn saw(&mut self, kind: &str, namespace: &str) {
        if namespace.is_empty() {
            return;
        }
        if let Some(folder) = &self.of_path
            && !self.folders.contains(folder)
        {
            self.folders.insert(folder.clone());
        }
        let group = if self.in_list { &mut self.list } else { &mut self.file };
        insert(&mut group.namespaces, namespace);
        insert(&mut group.kinds, kind);
        match self.kinds.get_mut(kind) {
            Some(seen) => insert(&mut seen.namespaces, namespace),
            None => {
                let seen = Seen { namespaces: BTreeSet::from([namespace.to_owned()]), everywhere: false };
                self.kinds.insert(kind.to_owned(), seen);
            }
        }
    }

    /// The files contain the object of this namespace.
    pub(crate) fn saw_namespace(&mut self, name: &str) {
        let group = if self.in_list { &mut self.list } else { &mut self.file };
        group.namespace_objects += 1;
        insert(&mut self.objects, name);
    }

    /// Whether the absence of objects of the kind in the namespace means that there are none. A kind of which the files
    /// contain nothing is covered nowhere.
    pub(crate) fn covers(&self, kind: &str, namespace: &str) -> bool {
        if kind == "Namespace" {
            return self.has_all || self.objects.contains(namespace);
        }
        let Some(seen) = self.kinds.get(kind) else { return false };
        seen.everywhere || seen.namespaces.is_empty() || seen.namespaces.contains(namespace)
    }

    /// Whether the controller counts pods of the DaemonSet, but the files contain no pod of its namespace.
    pub(crate) fn lacks_pods(&self, daemon_set: &DaemonSet) -> bool {
        let counts = |status: &DaemonSetStatus| status.current_number_scheduled > 0 || status.number_misscheduled > 0;
        let namespace = daemon_set.metadata.namespace.as_deref().unwrap_or_default();
        let has_pods = self.kinds.get(POD).is_some_and(|seen| seen.namespaces.contains(namespace));
        !has_pods && daemon_set.status.as_ref().is_some_and(counts)
    }

    /// Why pods of some namespaces may be missing; none if the pods are complete. `daemon_sets` must be all DaemonSets
    /// of the files.
    pub(crate) fn partial_pods(&self, daemon_sets: &[DaemonSet]) -> Option<String> {
        let seen = self.kinds.get(POD)?;
        let has = |namespace: &String| self.covers(POD, namespace) || self.folders.contains(namespace);
        let is_whole = seen.everywhere || seen.namespaces.is_empty() || self.has_all && self.objects.iter().all(has);
        if is_whole && !daemon_sets.iter().any(|one| self.lacks_pods(one)) {
            return None;
        }
        let names: Vec<&str> = seen.namespaces.iter().map(String::as_str).collect();
        Some(match names.len() {
            0 => "the files contain no pods".into(),
            1..=NAMED => format!("the files contain pods of {} only", listed(&names)),
            count => format!("the files contain pods of {count} namespaces only"),
        })
    }
}

fn insert(set: &mut BTreeSet<String>, name: &str) {
    // Avoids an allocation: most objects are in a namespace that was seen before.
    if !set.contains(name) {
        set.insert(name.to_owned());
    }
}

/// `a, b and c`.
pub(crate) fn listed(names: &[&str]) -> String {
    match names {
        [all @ .., last] if !all.is_empty() => format!("{} and {last}", all.join(", ")),
        _ => names.concat(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn with_pods(namespace: &str) -> DaemonSet {
        serde_json::from_value(serde_json::json!({
            "metadata": { "namespace": namespace },
            "status": { "currentNumberScheduled": 1, "desiredNumberScheduled": 1, "numberMisscheduled": 0, "numberReady": 0 },
        }))
        .unwrap()
    }

    fn list(saved: &mut SavedNamespaces, path: Option<&str>, objects: &[(&str, &str)]) {
        saved.begin_file(path);
        saved.begin_list(true);
        for (kind, namespace) in objects {
            match *kind {
                "Namespace" => saved.saw_namespace(namespace),
                kind => saved.saw(kind, namespace),
            }
        }
        saved.end_list();
        saved.end_file();
    }

    #[test]
    fn list_of_several_namespaces_covers_all_namespaces() {
        let mut saved = SavedNamespaces::default();
        list(&mut saved, None, &[("Pod", "a"), ("DaemonSet", "b")]);
        assert!(saved.covers("Pod", "c") && saved.covers("DaemonSet", "c"));
        assert!(!saved.covers("ServiceAccount", "a"));
        assert_eq!(saved.partial_pods(&[with_pods("a")]), None);
        assert_eq!(saved.partial_pods(&[with_pods("b")]).unwrap(), "the files contain pods of a only");
    }

    #[test]
    fn lists_of_one_namespace_each_cover_only_these() {
        let mut saved = SavedNamespaces::default();
        list(&mut saved, Some("kube-system"), &[("Pod", "kube-system"), ("ServiceAccount", "kube-system")]);
        saved.begin_file(Some("default"));
        saved.saw_list("Pod");
        saved.end_file();
        assert!(
            saved.covers("Pod", "default")
                && !saved.covers("Pod", "shop")
                && !saved.covers("ServiceAccount", "default")
        );
        assert_eq!(saved.partial_pods(&[]).unwrap(), "the files contain pods of default and kube-system only");
        list(&mut saved, None, &[("Namespace", "default"), ("Namespace", "kube-system")]);
        assert_eq!(saved.partial_pods(&[]), None);
        list(&mut saved, None, &[("Namespace", "default"), ("Namespace", "shop")]);
        assert!(saved.partial_pods(&[]).is_some());
    }

    #[test]
    fn empty_list_of_no_namespace_covers_all_namespaces() {
        let mut saved = SavedNamespaces::default();
        saved.begin_file(None);
        saved.saw_list("Pod");
        saved.end_file();
        assert!(saved.covers("Pod", "a"));
        assert_eq!(saved.partial_pods(&[]), None);
        assert!(saved.partial_pods(&[with_pods("a")]).is_some(), "the status of a DaemonSet counts pods there");
    }
}
