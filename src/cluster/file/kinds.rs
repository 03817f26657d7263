//! Determines the kinds of the objects in a file that cannot be read: by its name, or by its readable part.

use super::objects::Objects;

/// The kinds by the names that tools give to files and directories.
const PLACES: [(&str, &str); 14] = [
    ("pods", "Pod"),
    ("nodes", "Node"),
    ("daemonsets", "DaemonSet"),
    ("controllerrevisions", "ControllerRevision"),
    ("events", "Event"),
    ("namespaces", "Namespace"),
    ("serviceaccounts", "ServiceAccount"),
    ("resourcequotas", "ResourceQuota"),
    ("limitranges", "LimitRange"),
    ("persistentvolumeclaims", "PersistentVolumeClaim"),
    ("persistentvolumes", "PersistentVolume"),
    ("priorityclasses", "PriorityClass"),
    ("runtimeclasses", "RuntimeClass"),
    ("storageclasses", "StorageClass"),
];

/// The kind of the objects in a file of this name: `pods.json`, `pods/default.json`, `core_v1_pods.json`.
pub(super) fn by_name(name: &str) -> Option<&'static str> {
    let mut parts = name.rsplit(['/', '\\']);
    let file = parts.next().unwrap_or_default();
    let stem = file.split('.').next().unwrap_or_default();
    let stem = stem.rsplit('_').next().unwrap_or_default();
    let folder = parts.next().unwrap_or_default();
    let place = |name: &str| {
        let name: String = name.chars().filter(|letter| *letter != '-').collect::<String>().to_ascii_lowercase();
        PLACES.iter().find(|(place, _)| *place == name).map(|(_, kind)| *kind)
    };
    place(stem).or_else(|| place(folder).filter(|_| folder != "namespaces"))
}

/// The kinds whose objects are missing if this file cannot be read.
pub(super) fn lost(name: &str, text: &str) -> Vec<&'static str> {
    if let Some(kind) = by_name(name) {
        return vec![kind];
    }
    let is_json = text.trim_start().starts_with(['{', '[']);
    let mut kinds = if is_json { in_json(text) } else { in_yaml(text) };
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

/// Whether a text that cannot be parsed seems to contain objects.
pub(super) fn has_objects(text: &str) -> bool {
    text.contains("apiVersion") && text.contains("kind")
}

/// The namespace in a file's path, in the layouts of common tools: `NAMESPACE/pods.json`,
/// `namespaces/NAMESPACE/core/pods.yaml`, `namespaced/NAMESPACE/apps/v1/daemonsets.yaml`, `pods/NAMESPACE.json`.
pub(super) fn namespace_of_path(path: &str) -> Option<&str> {
    let mut parts = path.rsplit(['/', '\\']).filter(|part| !part.is_empty());
    let stem = parts.next()?.split('.').next()?;
    let folders: Vec<&str> = parts.collect();
    if by_name(stem).is_none() {
        // The file is named after a namespace, in the directory of a kind, or after an object.
        return folders.first().and_then(|folder| by_name(folder)).map(|_| stem);
    }
    let is_group = |part: &str| {
        let is_version =
            part.strip_prefix('v').is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()));
        is_version || part.ends_with(".k8s.io") || matches!(part, "core" | "apps" | "batch" | "policy" | "autoscaling")
    };
    let folder = folders.into_iter().find(|part| !is_group(part))?;
    (!matches!(folder, "cluster" | "cluster-scoped-resources" | "cluster-resources")).then_some(folder)
}

fn known(kind: &str) -> Option<&'static str> {
    let kind = kind.strip_suffix("List").unwrap_or(kind);
    let own = PLACES.iter().map(|(_, own)| *own).find(|own| *own == kind);
    own.or_else(|| Objects::kept(kind))
}

/// The kinds of the items and of the document. A deeper `kind` is that of an owner or of the object of an event.
fn in_yaml(text: &str) -> Vec<&'static str> {
    let kind = |line: &str| {
        let depth = line.len() - line.trim_start_matches([' ', '-']).len();
        let kind = line.trim_start_matches([' ', '-']).strip_prefix("kind:")?;
        known(kind.trim().trim_matches(['"', '\''])).filter(|_| depth <= 2)
    };
    text.lines().filter_map(kind).collect()
}

fn in_json(text: &str) -> Vec<&'static str> {
    let (mut braces, mut brackets) = (0_usize, 0_usize);
    let mut kinds = Vec::new();
    let mut is_kind = false;
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '{' => braces += 1,
            '}' => braces = braces.saturating_sub(1),
            '[' => brackets += 1,
            ']' => brackets = brackets.saturating_sub(1),
            '"' => {
                let end = loop {
                    match letters.next() {
                        Some((_, '\\')) => drop(letters.next()),
                        Some((end, '"')) => break end,
                        Some(_) => {}
                        None => return kinds,
                    }
                };
                let word = &text[at + 1..end];
                let is_top = matches!((braces, brackets), (1, 0 | 1) | (2, 1));
                if is_kind {
                    kinds.extend(known(word));
                }
                is_kind = word == "kind" && is_top;
                continue;
            }
            ':' | ' ' | '\n' | '\r' | '\t' => continue,
            _ => {}
        }
        is_kind = false;
    }
    kinds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_a_truncated_list_come_from_its_items() {
        let json = "{\"apiVersion\":\"v1\",\"items\":[{\"kind\":\"Pod\",\"metadata\":{\"ownerReferences\":[{\"kind\":\"DaemonSet\"}]";
        assert_eq!(lost("dump/a.json", json), ["Pod"]);
        let yaml = "apiVersion: v1\nitems:\n- apiVersion: v1\n  involvedObject:\n    kind: Pod\n  kind: Event\n- a: [";
        assert_eq!(lost("a.yaml", yaml), ["Event"]);
        assert!(lost("a.json", "{\"a\": {").is_empty());
    }

    #[test]
    fn kind_is_detected_from_common_file_names() {
        for (name, kind) in [
            ("x/pods.json", Some("Pod")),
            ("cluster-resources/pods/default.json", Some("Pod")),
            ("resources/ns/shop/core_v1_pods.json", Some("Pod")),
            ("cluster-resources/pods-errors.json", None),
            ("namespaces/shop/shop.yaml", None),
            ("analysis.json", None),
        ] {
            assert_eq!(by_name(name), kind, "{name}");
        }
    }
}
