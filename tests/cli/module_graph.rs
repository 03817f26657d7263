//! The graph of imports between the modules of `src`, read from the `use` lines and the paths in the code.
//!
//! A module is a file. Tests and comments do not count. A name that a module re-exports belongs to the module that
//! defines it, so that `use super::{A, B}` leads to the files of `A` and `B`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::architecture::files_below;

/// The path of a module below the crate: `["cycle", "run"]`; empty for `lib.rs`.
pub(crate) type Module = Vec<String>;

/// Who imports whom, with the imported paths.
pub(crate) struct ModuleGraph {
    pub(crate) imports: BTreeMap<Module, BTreeMap<Module, BTreeSet<String>>>,
}

/// The code of one module.
struct Source {
    /// Imports that are not re-exported, and paths in the code.
    used: Vec<Module>,
    /// Name → path of what the module re-exports.
    re_exported: BTreeMap<String, Module>,
    /// Child modules that exist for tests only.
    test_only: Vec<String>,
}

impl ModuleGraph {
    /// Reads every file below the folder, which holds a `lib.rs`.
    pub(crate) fn read(folder: &Path) -> Self {
        let texts: BTreeMap<Module, String> = files_below(folder)
            .into_iter()
            .filter(|file| file.extension().is_some_and(|extension| extension == "rs"))
            .map(|file| (module_of(file.strip_prefix(folder).unwrap()), std::fs::read_to_string(&file).unwrap()))
            .collect();
        Self::from_texts(&texts)
    }

    /// The graph of these modules.
    pub(crate) fn from_texts(texts: &BTreeMap<Module, String>) -> Self {
        let is_module = |path: &[String]| texts.contains_key(path);
        let sources: BTreeMap<&Module, Source> =
            texts.iter().map(|(module, text)| (module, Source::parse(module, text, &is_module))).collect();
        let is_test = |module: &Module| {
            (0..module.len()).any(|at| {
                let parent = sources.get(&module[..at].to_vec());
                parent.is_some_and(|parent| parent.test_only.contains(&module[at]))
            })
        };
        let mut imports: BTreeMap<Module, BTreeMap<Module, BTreeSet<String>>> = BTreeMap::new();
        for (module, source) in &sources {
            if is_test(module) || module.as_slice() == ["main"] {
                continue;
            }
            for path in &source.used {
                let Some(target) = definition(path, &sources, 0) else { continue };
                if target != **module && !is_test(&target) {
                    let paths = imports.entry((*module).clone()).or_default().entry(target).or_default();
                    paths.insert(path.join("::"));
                }
            }
        }
        Self { imports }
    }

    /// Groups of modules that import one another in a circle, each with the imports that close it.
    pub(crate) fn cycles(&self) -> Vec<Vec<String>> {
        let mut left: BTreeSet<&Module> = self.imports.keys().collect();
        let mut cycles = Vec::new();
        while let Some(module) = left.pop_first() {
            let circle: BTreeSet<&Module> =
                self.reachable(module).into_iter().filter(|other| self.reachable(other).contains(module)).collect();
            if !circle.is_empty() {
                left.retain(|other| !circle.contains(other));
                cycles.push(self.imports_within(&circle));
            }
        }
        cycles
    }

    fn reachable<'g>(&'g self, from: &Module) -> BTreeSet<&'g Module> {
        let mut reached = BTreeSet::new();
        let mut next: Vec<&Module> = self.imports.get(from).into_iter().flat_map(BTreeMap::keys).collect();
        while let Some(module) = next.pop() {
            if reached.insert(module) {
                next.extend(self.imports.get(module).into_iter().flat_map(BTreeMap::keys));
            }
        }
        reached
    }

    fn imports_within(&self, circle: &BTreeSet<&Module>) -> Vec<String> {
        let of_module = |module: &Module| {
            let imports = self.imports.get(module).into_iter().flatten();
            let within = imports.filter(|(target, _)| circle.contains(target));
            within.map(|(target, paths)| line(module, target, paths)).collect::<Vec<_>>()
        };
        circle.iter().flat_map(|module| of_module(module)).collect()
    }

    /// Imports from a layer of one above it; modules below the first level belong to their first part.
    pub(crate) fn upward(&self, layers: &[&str]) -> Vec<String> {
        let layer =
            |module: &Module| layers.iter().position(|layer| Some(*layer) == module.first().map(String::as_str));
        let mut found = Vec::new();
        for (module, imports) in &self.imports {
            for (target, paths) in imports {
                if let (Some(from), Some(to)) = (layer(module), layer(target))
                    && to < from
                {
                    found.push(line(module, target, paths));
                }
            }
        }
        found
    }
}

fn line(module: &Module, target: &Module, paths: &BTreeSet<String>) -> String {
    let name = |module: &Module| if module.is_empty() { "lib".to_owned() } else { module.join("::") };
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    format!("{} imports {}: {}", name(module), name(target), paths.join(", "))
}

/// `cycle/run.rs` → `["cycle", "run"]`.
fn module_of(file: &Path) -> Module {
    let parts: Module = file.with_extension("").iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    match parts.as_slice() {
        [only] if only == "lib" => Vec::new(),
        _ => parts,
    }
}

/// The module that defines what a path names: the deepest module of the path, or where that one re-exports it from.
fn definition(path: &[String], sources: &BTreeMap<&Module, Source>, depth: usize) -> Option<Module> {
    let module = (0..=path.len()).rev().map(|length| path[..length].to_vec()).find(|m| sources.contains_key(m))?;
    let rest = &path[module.len()..];
    let re_exported = rest.first().and_then(|name| sources[&module].re_exported.get(name));
    match re_exported {
        Some(other) if depth < 9 => {
            let full: Module = other.iter().chain(&rest[1..]).cloned().collect();
            definition(&full, sources, depth + 1)
        }
        _ => Some(module),
    }
}

impl Source {
    fn parse(module: &Module, text: &str, is_module: &impl Fn(&[String]) -> bool) -> Self {
        let code = without_comments_and_texts(text);
        let (code, test_only) = without_tests(&code);
        let mut source = Self { used: Vec::new(), re_exported: BTreeMap::new(), test_only };
        let mut rest = String::new();
        let mut statements = code.split(';').peekable();
        while let Some(statement) = statements.next() {
            match import_of(statement) {
                Some((is_public, tree)) => source.add_import(module, is_public, &tree, is_module),
                None => rest.push_str(statement),
            }
            if statements.peek().is_some() {
                rest.push(';');
            }
        }
        source.add_paths(module, &rest, is_module);
        // A module that uses what it re-exports imports it.
        let words: BTreeSet<&str> = rest.split(|letter: char| !letter.is_alphanumeric() && letter != '_').collect();
        // Functions are often called like their module, so that the word alone proves nothing.
        let is_type = |name: &str| name.starts_with(|letter: char| letter.is_ascii_uppercase());
        let used = source.re_exported.iter().filter(|(name, _)| is_type(name) && words.contains(name.as_str()));
        source.used.extend(used.map(|(_, path)| path.clone()).collect::<Vec<_>>());
        source
    }

    fn add_import(&mut self, module: &Module, is_public: bool, tree: &str, is_module: &impl Fn(&[String]) -> bool) {
        for leaf in leaves(tree) {
            let (path, alias) = leaf.split_once(" as ").unwrap_or((&leaf, ""));
            let mut parts: Module = path.split("::").map(|part| part.trim().to_owned()).collect();
            if parts.last().is_some_and(|last| last == "self") {
                parts.pop();
            }
            let name =
                if alias.is_empty() { parts.last().cloned().unwrap_or_default() } else { alias.trim().to_owned() };
            if let Some(absolute) = absolute(module, &parts, is_module) {
                if is_public {
                    self.re_exported.insert(name, absolute);
                } else {
                    self.used.push(absolute);
                }
            }
        }
    }

    /// `crate::a::b`, `super::a`, and `child::a` in the code.
    fn add_paths(&mut self, module: &Module, code: &str, is_module: &impl Fn(&[String]) -> bool) {
        let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
        let mut at = 0;
        while let Some(found) = code[at..].find("::") {
            let middle = at + found;
            let begin = code[..middle].rfind(|letter| !is_word(letter)).map_or(0, |before| before + 1);
            let mut end = middle;
            while code[end..].starts_with("::") && code[end + 2..].starts_with(is_word) {
                let word = &code[end + 2..];
                end += 2 + word.find(|letter| !is_word(letter)).unwrap_or(word.len());
            }
            let is_start = begin < middle && !code[..begin].ends_with(':');
            if is_start {
                let parts: Module = code[begin..end].split("::").map(str::to_owned).collect();
                self.used.extend(absolute(module, &parts, is_module));
            }
            at = end.max(middle + 2);
        }
    }
}

/// Whether it is public, and the tree, where the statement is an import.
fn import_of(statement: &str) -> Option<(bool, String)> {
    let at = statement.rfind("use ").filter(|at| {
        statement[..*at].ends_with(|before: char| !before.is_alphanumeric() && before != '_') || *at == 0
    })?;
    let before = statement[..at].trim_end();
    let last_line = before.rsplit(['\n', '}', ']']).next().unwrap_or_default().trim();
    let is_item = last_line.is_empty()
        || (last_line.starts_with("pub") && !last_line.contains(' '))
        || last_line.starts_with("pub(in ");
    is_item.then(|| (last_line.starts_with("pub"), statement[at + 4..].replace('\n', " ")))
}

/// `a::{b, c::{self, d}}` → `a::b`, `a::c::self`, `a::c::d`.
fn leaves(tree: &str) -> Vec<String> {
    let tree = tree.trim();
    let Some((prefix, rest)) = tree.split_once('{') else { return vec![tree.to_owned()] };
    let inner = rest.trim_end().strip_suffix('}').unwrap_or(rest);
    let mut depth = 0;
    let parts = inner.split(|letter: char| {
        depth += i32::from(letter == '{') - i32::from(letter == '}');
        letter == ',' && depth == 0
    });
    let parts = parts.filter(|part| !part.trim().is_empty());
    parts.flat_map(leaves).map(|leaf| format!("{}{leaf}", prefix.trim())).collect()
}

/// The path from the crate's root; none for a path into another crate.
fn absolute(module: &Module, parts: &[String], is_module: &impl Fn(&[String]) -> bool) -> Option<Module> {
    let first = parts.first()?;
    let supers = parts.iter().take_while(|part| *part == "super").count();
    match first.as_str() {
        "crate" => Some(parts[1..].to_vec()),
        "self" => Some(module.iter().chain(&parts[1..]).cloned().collect()),
        "super" => {
            Some(module.iter().take(module.len().saturating_sub(supers)).chain(&parts[supers..]).cloned().collect())
        }
        _ => {
            let child: Module = module.iter().chain(parts).cloned().collect();
            is_module(&child[..=module.len()]).then_some(child)
        }
    }
}

/// Comments are dropped, texts are emptied.
fn without_comments_and_texts(text: &str) -> String {
    let mut code = String::new();
    for line in text.lines() {
        let mut is_text = false;
        let mut letters = line.chars().peekable();
        let mut kept = String::new();
        while let Some(letter) = letters.next() {
            match letter {
                '\\' if is_text => {
                    letters.next();
                }
                '"' => is_text = !is_text,
                '/' if !is_text && letters.peek() == Some(&'/') => break,
                '\'' if !is_text => {
                    // A character, not a lifetime.
                    let mut ahead = letters.clone();
                    let (first, second) = (ahead.next(), ahead.next());
                    if first == Some('\\') || second == Some('\'') {
                        letters.next();
                        letters.by_ref().find(|letter| *letter == '\'');
                    }
                }
                _ if !is_text => kept.push(letter),
                _ => {}
            }
        }
        code.push_str(&kept);
        code.push('\n');
    }
    code
}

/// The code without its inline test modules, and the names of child modules that are for tests.
fn without_tests(code: &str) -> (String, Vec<String>) {
    let mut kept = String::new();
    let mut names = Vec::new();
    let mut lines = code.lines().peekable();
    while let Some(line) = lines.next() {
        let is_for_tests = line.trim() == "#[cfg(test)]" || line.trim().starts_with("#[cfg(all(test,");
        if !is_for_tests {
            kept.push_str(line);
            kept.push('\n');
            continue;
        }
        let item = loop {
            match lines.next() {
                Some(attribute) if attribute.trim_start().starts_with("#[") => {}
                other => break other.unwrap_or_default(),
            }
        };
        let name = item.split("mod ").nth(1).map(|rest| rest.trim_end_matches([';', ' ', '{']).to_owned());
        names.extend(name);
        let mut depth = depth_of(item);
        while depth > 0 {
            depth += depth_of(lines.next().unwrap_or("}"));
        }
    }
    (kept, names)
}

fn depth_of(line: &str) -> i32 {
    line.chars().map(|letter| i32::from(letter == '{') - i32::from(letter == '}')).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(files: &[(&str, &str)]) -> ModuleGraph {
        let module =
            |path: &str| -> Module { path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect() };
        ModuleGraph::from_texts(&files.iter().map(|(path, text)| (module(path), (*text).to_owned())).collect())
    }

    #[test]
    fn cycle_between_two_files_is_found() {
        let graph = graph(&[
            ("", "mod a;"),
            ("a", "mod b;\nmod c;\npub(crate) use b::B;\n"),
            ("a/b", "use super::c::C;\npub(crate) struct B;"),
            ("a/c", "use super::B;\npub(crate) struct C(B);"),
        ]);
        let cycles = graph.cycles();
        assert_eq!(cycles.len(), 1, "{cycles:?}");
        assert_eq!(cycles[0], ["a::b imports a::c: a::c::C", "a::c imports a::b: a::B"]);
    }

    #[test]
    fn re_export_that_the_module_uses_is_an_import() {
        let child = "use super::B;\npub(crate) struct A(B);";
        let re_export = |more: &str| {
            graph(&[("", "mod a;"), ("a", &format!("mod c;\npub(crate) use c::A;\n{more}")), ("a/c", child)])
        };
        assert!(re_export("pub(crate) struct B;").cycles().is_empty());
        assert_eq!(re_export("pub(crate) struct B(Vec<A>);").cycles().len(), 1);
    }

    #[test]
    fn path_in_the_code_is_an_import() {
        let graph =
            graph(&[("", "mod a; mod b;"), ("a", "fn f() { crate::b::g() }"), ("b", "fn g() { crate::a::f() }")]);
        assert_eq!(graph.cycles().len(), 1);
    }

    #[test]
    fn tests_comments_and_texts_are_no_imports() {
        let text =
            "#[cfg(test)]\nmod tests {\n    use crate::b::B;\n}\n// crate::b::B\nconst A: &str = \"crate::b\";\n";
        let graph = graph(&[("", "mod a; mod b;"), ("a", text), ("b", "use crate::a::A;")]);
        assert!(graph.cycles().is_empty());
    }

    #[test]
    fn import_of_a_layer_above_is_found() {
        let graph = graph(&[("", "mod a; mod b;"), ("a", "use crate::b::{self, B};"), ("b", "")]);
        assert_eq!(graph.upward(&["b", "a"]), ["a imports b: b, b::B"]);
        assert!(graph.upward(&["a", "b"]).is_empty());
    }
}
