#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;

use tempfile::TempDir;

use super::*;

const HEAD: &str = "apiVersion: kubectl.config.k8s.io/v1beta1\nkind: Preference\n";

/// The policy of a file with this text after the usual head.
fn stated(text: &str) -> Result<Policy, String> {
    whole(&format!("{HEAD}{text}"))
}

/// The policy of a file with this text, without its path.
fn whole(text: &str) -> Result<Policy, String> {
    match parse(text) {
        Ok(None) => Ok(Policy::AllowAll),
        Ok(Some(preference)) => preference.policy(Path::new("")),
        Err(unusable) => Err(unusable.text()),
    }
}

fn deny() -> Result<Policy, String> {
    Ok(Policy::DenyAll { file: PathBuf::new() })
}

fn allow(commands: &[&str]) -> Policy {
    Policy::Allowlist { file: PathBuf::new(), commands: commands.iter().map(|&command| command.to_owned()).collect() }
}

#[test]
fn valid_policies_are_read() {
    assert_eq!(stated(""), Ok(Policy::AllowAll));
    assert_eq!(stated("credentialPluginPolicy: ''\n"), Ok(Policy::AllowAll));
    assert_eq!(stated("credentialPluginPolicy: AllowAll\ncredentialPluginAllowlist: null\n"), Ok(Policy::AllowAll));
    assert_eq!(stated("credentialPluginPolicy: DenyAll\nunknown: 1\naliases: []\n"), deny());
    let list = "credentialPluginPolicy: Allowlist\ncredentialPluginAllowlist: [{name: aws}, {command: /bin/x}]\n";
    assert_eq!(stated(list), Ok(allow(&["aws", "/bin/x"])));
    assert_eq!(stated("credentialPluginPolicy: AllowAll\ncredentialPluginPolicy: DenyAll\n"), deny());
    let json =
        r#"{"apiVersion":"kubectl.config.k8s.io/v1beta1","kind":"Preference","credentialPluginPolicy":"DenyAll"}"#;
    assert_eq!(whole(json), deny());
}

#[test]
fn invalid_policies_are_errors() {
    for (text, expected) in [
        ("credentialPluginPolicy: Deny\n", "unknown credentialPluginPolicy"),
        ("credentialPluginPolicy: Allowlist\n", "credentialPluginAllowlist is not set"),
        ("credentialPluginPolicy: Allowlist\ncredentialPluginAllowlist: []\n", "is empty"),
        ("credentialPluginPolicy: Allowlist\ncredentialPluginAllowlist: [{}]\n", "entry 1"),
        ("credentialPluginPolicy: Allowlist\ncredentialPluginAllowlist: [{command: a//b}]\n", "but must be \"a/b\""),
        ("credentialPluginPolicy: DenyAll\ncredentialPluginAllowlist: []\n", "credentialPluginAllowlist is set"),
        ("credentialPluginAllowlist: [{name: aws}]\n", "credentialPluginAllowlist is set"),
    ] {
        let why = stated(text).unwrap_err();
        assert!(why.contains(expected), "{text} {why}");
    }
}

#[test]
fn first_valid_document_is_used() {
    let deny_all = format!("{HEAD}credentialPluginPolicy: DenyAll\n");
    let other = "apiVersion: kubectl.config.k8s.io/v9\nkind: Preference\n";
    assert_eq!(whole(&format!("{{{{{{\n---\n{other}--- # next\n{deny_all}")), deny());
    assert_eq!(whole(&format!("{HEAD}---\n{deny_all}")), Ok(Policy::AllowAll));
    assert_eq!(whole("\n---\n  \n"), Ok(Policy::AllowAll));
    let alpha = deny_all.replace("v1beta1", "v1alpha1");
    assert_eq!(whole(&alpha), Ok(Policy::AllowAll));
    for nothing in [
        other,
        "{{{",
        &format!("{HEAD}credentialPluginPolicy: 5\n"),
        &format!("{HEAD}credentialPluginPolicy: Allowlist\ncredentialPluginAllowlist: [{{name: a, command: b}}]\n"),
    ] {
        assert!(whole(nothing).unwrap_err().contains("no valid Preference"), "{nothing}");
    }
}

#[test]
fn allowlist_entry_matches_command_program_or_path() {
    let look_path = |entry: &str| (entry == "aws").then(|| PathBuf::from("/usr/bin/aws"));
    let checked = |entry: &str, command: &str, program: &str| {
        allow(&[entry]).check(command, Path::new(program), look_path).is_ok()
    };
    assert!(checked("aws", "aws", "/usr/bin/aws"));
    assert!(checked("/usr/bin/aws", "aws", "/usr/bin/aws"));
    assert!(checked("aws", "/usr/bin/./aws", "/usr/bin/aws"));
    assert!(!checked("aws", "/tmp/aws", "/tmp/aws"));
    assert!(!checked("/usr/bin/gcloud", "aws", "/usr/bin/aws"));
    let denied = Policy::DenyAll { file: "/rc".into() }.check("aws", Path::new("/usr/bin/aws"), look_path);
    assert_eq!(denied, Err("credentialPluginPolicy is DenyAll in /rc".into()));
}

#[test]
fn file_comes_from_flag_variable_or_home() {
    let folder = TempDir::new().unwrap();
    let deny_all = format!("{HEAD}credentialPluginPolicy: DenyAll\n");
    fs::create_dir(folder.path().join(".kube")).unwrap();
    let (usual, other) = (folder.path().join(".kube/kuberc"), folder.path().join("other"));
    let home = KubercSource { home: Some(folder.path().to_owned()), ..KubercSource::default() };
    let policy = |flag: Option<&Path>, source: &KubercSource| load(flag, source).map(|loaded| loaded.policy).ok();
    let denied = |file: &PathBuf| Some(Policy::DenyAll { file: file.clone() });
    assert_eq!(policy(None, &home), Some(Policy::AllowAll), "no file");
    fs::write(&usual, &deny_all).unwrap();
    assert_eq!(policy(None, &home), denied(&usual));
    let variable = KubercSource { variable: Some(other.clone().into()), ..home.clone() };
    assert_eq!(policy(None, &variable), None, "an explicitly named file must exist");
    assert_eq!(policy(Some(&usual), &variable), denied(&usual));
    fs::write(&other, &deny_all).unwrap();
    assert_eq!(policy(None, &variable), denied(&other));
    let off = KubercSource { variable: Some("off".into()), ..home.clone() };
    assert_eq!(policy(None, &off), Some(Policy::AllowAll));
    assert_eq!(policy(Some(&usual), &off), None);
    assert_eq!(policy(Some(&usual), &KubercSource { disabled: true, ..home }), Some(Policy::AllowAll));
}

#[test]
fn invalid_default_file_is_ignored_with_a_warning() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join(".kube")).unwrap();
    let usual = folder.path().join(".kube/kuberc");
    fs::write(&usual, "{{{").unwrap();
    let home = KubercSource { home: Some(folder.path().to_owned()), ..KubercSource::default() };
    let loaded = load(None, &home).unwrap();
    assert_eq!(loaded.policy, Policy::AllowAll);
    assert!(loaded.warning.unwrap().contains("no valid Preference"));
    assert!(load(Some(&usual), &home).is_err());
    fs::write(&usual, format!("{HEAD}credentialPluginPolicy: Deny\n")).unwrap();
    assert!(load(None, &home).is_err(), "an invalid policy is an error in any file");
}
