//! What goes into a release besides the program.

#[path = "../../examples/man-pages/pages.rs"]
mod pages;

use std::process::Command;

use crate::completions::{must_be_there, text};

/// `release/manifest --unreleased > krew-manifest.yaml` writes it anew.
#[test]
fn the_manifest_in_the_repository_is_what_its_script_prints() {
    let output = match Command::new("release/manifest").arg("--unreleased").output() {
        Ok(output) => output,
        Err(error) => {
            assert!(!must_be_there(), "{error}");
            return eprintln!("{error}: not tested");
        }
    };
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(std::fs::read_to_string("krew-manifest.yaml").unwrap(), text(&output.stdout));
}

#[test]
fn every_command_has_a_man_page() {
    let folder = tempfile::tempdir().unwrap();
    pages::write(kubectl_ds::commands(), folder.path()).unwrap();
    let page = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    let coverage = page("kubectl-ds-coverage.1");
    // The last two are an example as it is pasted, and what only the long help explains.
    for said in [
        "kubectl ds coverage",
        "Show which nodes run the daemon pod",
        "\\-\\-by",
        "# A gate for CI",
        "\nkubectl ds coverage \\-n kube\\-system kube\\-proxy \\-\\-min 99%\n",
        "Act as this user",
    ] {
        assert!(coverage.contains(said), "{said}: {coverage}");
    }
    page("kubectl-ds.1");
    page("kubectl-ds-rollout-history.1");
}

/// The version is told to users in three places.
#[test]
fn the_changelog_begins_with_the_version() {
    let changes = std::fs::read_to_string("CHANGELOG.md").unwrap();
    let newest = changes.lines().find_map(|line| line.strip_prefix("## ")).unwrap();
    assert!(newest.starts_with(env!("CARGO_PKG_VERSION")), "{newest}");
}
