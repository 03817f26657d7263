//! Checks that sources, tests, transcripts and documents use no word that `docs/style.md` replaces by a standard term.

use std::path::Path;

/// A word in lower case, and what to write instead.
const REPLACED: &[(&str, &str)] = &[
    ("behaviour", "behavior"),
    ("colour", "color"),
    ("favour", "favor"),
    ("honour", "honor"),
    ("licence", "license"),
    ("serialise", "serialize"),
    ("serialised", "serialized"),
    ("mend", "fix"),
    ("refusal", "rejection"),
    ("refuse", "reject"),
    ("refuses", "rejects"),
    ("remark", "note"),
    ("remarks", "notes"),
    ("told", "reported"),
    ("unwell", "unhealthy"),
    ("whoever", "the user, or the component by its name"),
];

/// The style guide quotes the words that it replaces.
const EXEMPT: [&str; 2] = ["docs/style.md", "tests/cli/vocabulary.rs"];

fn is_text(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    ["md", "rs", "sh", "py", "trycmd", "yaml", "yml", "toml"].contains(&extension)
}

/// The words of a line: identifiers are split at underscores, but not at capital letters.
fn words(line: &str) -> impl Iterator<Item = String> {
    line.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| !word.is_empty()).map(str::to_ascii_lowercase)
}

#[test]
fn text_uses_no_replaced_word() {
    let mut files: Vec<_> = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"].map(Into::into).into();
    for folder in ["src", "docs", "tests", "release", "xtask", ".github"] {
        files.extend(crate::architecture::files_below(Path::new(folder)));
    }
    files.retain(|file| is_text(file) && !EXEMPT.iter().any(|exempt| file.ends_with(exempt)));
    assert!(files.len() > 300, "only {} files were found", files.len());
    let mut found = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        for (number, line) in text.lines().enumerate() {
            for word in words(line) {
                if let Some((_, instead)) = REPLACED.iter().find(|(replaced, _)| *replaced == word) {
                    found.push(format!("{}:{}: {word:?}: write {instead}", file.display(), number + 1));
                }
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
