#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

fn unreachable() -> Error {
    Error::Unreachable { server: "https://h".into(), cause: "gone".into() }
}

fn busy(seconds: Option<u64>) -> Failure {
    Failure::Busy { error: unreachable(), after: seconds.map(Duration::from_secs) }
}

#[test]
fn backoff_grows_up_to_the_maximum() {
    let backoff = Backoff::default();
    for failures in 1..100 {
        let wait = backoff.wait(failures);
        let full = backoff.longest.min(backoff.first * 2_u32.pow((failures - 1).min(16)));
        assert!(wait >= full / 2 && wait <= full, "{failures}: {wait:?}");
    }
}

#[test]
fn retry_after_is_honored_unless_too_long() {
    let pause = |failure| Retries::new(Backoff::default()).pause(&failure);
    assert_eq!(pause(busy(Some(3))), Some(Duration::from_secs(3)));
    assert_eq!(pause(busy(Some(10))), Some(Duration::from_secs(10)));
    assert_eq!(pause(busy(Some(11))), None);
    assert!(pause(busy(None)).is_some_and(|pause| pause <= Duration::from_millis(200)));
    assert!(pause(Failure::Broken(unreachable())).is_some());
    assert_eq!(pause(Failure::Final(unreachable())), None);
    assert_eq!(pause(Failure::Gone(unreachable())), None);
}

#[test]
fn attempts_are_limited_and_counted() {
    let mut retries = Retries::new(Backoff::default());
    assert!(retries.pause(&busy(None)).is_some());
    assert!(retries.pause(&Failure::Broken(unreachable())).is_some());
    assert_eq!(retries.pause(&busy(None)), None);
    assert!(retries.counted(unreachable()).to_string().ends_with("gone (3 attempts)"));
}

#[test]
fn error_response_message_is_one_short_line() {
    assert_eq!(error_message(br#"{"kind":"Status","message":"no"}"#, false).as_deref(), Some("no"));
    assert_eq!(error_message(b"", false), None);
    assert_eq!(error_message(b"\n \n first\x1b[31m \nsecond", false).as_deref(), Some("first\x1b[31m"));
    assert_eq!(error_message("ä".repeat(1000).as_bytes(), false).unwrap().chars().count(), 200);
    assert_eq!(error_message(b"not protobuf", true), None);
}
