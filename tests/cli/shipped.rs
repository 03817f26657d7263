//! Files of the repository that are published with a release, or describe it.

use std::process::Command;

use crate::completions::{must_be_there, text};

/// `release/manifest.py --unreleased > krew-manifest.yaml` updates the file.
#[test]
fn manifest_in_the_repository_is_what_its_script_prints() {
    let output = match Command::new("release/manifest.py").arg("--unreleased").output() {
        Ok(output) => output,
        Err(error) => {
            assert!(!must_be_there(), "{error}");
            return eprintln!("cannot run release/manifest.py: {error}: not tested");
        }
    };
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(std::fs::read_to_string("krew-manifest.yaml").unwrap(), text(&output.stdout));
}

/// The newest heading of the changelog is the version in `Cargo.toml`.
#[test]
fn changelog_begins_with_the_version() {
    let changes = std::fs::read_to_string("CHANGELOG.md").unwrap();
    let newest = changes.lines().find_map(|line| line.strip_prefix("## ")).unwrap();
    assert!(newest.starts_with(env!("CARGO_PKG_VERSION")), "{newest}");
}
