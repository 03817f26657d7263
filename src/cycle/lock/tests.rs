#![allow(clippy::unwrap_used)]

use super::*;
use crate::testing::objects::now;

/// The number of seconds after the start, on both clocks.
fn at(seconds: u64) -> Moment {
    at_both(seconds, i64::try_from(seconds).unwrap())
}

fn at_both(uptime: u64, wall: i64) -> Moment {
    Moment { uptime: Duration::from_secs(uptime), wall: now() + jiff::SignedDuration::from_secs(wall) }
}

fn holder(name: &str) -> LockHolder {
    LockHolder { holder: name.into(), since: Some(now()) }
}

fn record(holder_name: &str, version: &str) -> LockRecord {
    let holder = (!holder_name.is_empty()).then(|| holder(holder_name));
    LockRecord { holder, duration: LEASE_DURATION, version: version.into() }
}

fn candidate(patience: LockWait) -> Candidate {
    Candidate::new("me".into(), patience, at(0))
}

/// Each observation has a time, the record, and the expected decision.
fn follow(patience: LockWait, observations: &[(u64, Option<LockRecord>, Attempt)]) {
    let mut candidate = candidate(patience);
    for (seconds, record, expected) in observations {
        assert_eq!(candidate.next(record.as_ref(), at(*seconds)), *expected, "at {seconds} s: {record:?}");
    }
}

fn waits() -> Attempt {
    Attempt::Wait(holder("other"))
}

fn gives_up() -> Attempt {
    Attempt::GiveUp(holder("other"))
}

#[test]
fn lock_without_a_holder_is_acquired_at_once() {
    follow(LockWait::GiveUp, &[(0, None, Attempt::Create)]);
    follow(LockWait::GiveUp, &[(0, Some(record("", "1")), Attempt::Update)]);
    // The response to an earlier write was lost.
    follow(LockWait::GiveUp, &[(0, Some(record("me", "1")), Attempt::Update)]);
}

#[test]
fn candidate_gives_up_at_the_first_renewal_of_the_holder() {
    let observations = [(0, Some(record("other", "1")), waits()), (2, Some(record("other", "2")), gives_up())];
    follow(LockWait::GiveUp, &observations);
}

#[test]
fn lock_of_a_killed_holder_is_taken_over_when_it_expires() {
    for patience in [LockWait::GiveUp, LockWait::Wait, LockWait::WaitFor(Duration::from_secs(60))] {
        follow(
            patience,
            &[
                (1, Some(record("other", "1")), waits()),
                (15, Some(record("other", "1")), waits()),
                (16, Some(record("other", "1")), Attempt::Update),
            ],
        );
    }
}

#[test]
fn candidate_gives_up_on_a_lock_that_never_expires() {
    let forever = LockRecord { duration: Duration::MAX, ..record("other", "1") };
    follow(LockWait::GiveUp, &[(0, Some(forever.clone()), waits()), (19, Some(forever), gives_up())]);
}

#[test]
fn lock_is_waited_for_until_the_limit() {
    let renewed = |seconds: u64| (seconds, Some(record("other", &seconds.to_string())), waits());
    follow(LockWait::Wait, &[renewed(0), renewed(100), renewed(100_000), (100_001, None, Attempt::Create)]);
    let limit = LockWait::WaitFor(Duration::from_secs(30));
    follow(limit, &[renewed(0), renewed(29), (30, Some(record("other", "30")), gives_up())]);
}

#[test]
fn lock_expiry_restarts_with_each_renewal() {
    follow(
        LockWait::Wait,
        &[
            (0, Some(record("other", "1")), waits()),
            (14, Some(record("other", "2")), waits()),
            (28, Some(record("other", "2")), waits()),
            (29, Some(record("other", "2")), Attempt::Update),
        ],
    );
}

#[test]
fn lock_of_another_run_does_not_expire_by_the_wall_clock() {
    // The machine was suspended for an hour or its clock was set, and the Lease was not observed in between.
    let mut candidate = candidate(LockWait::Wait);
    candidate.next(Some(&record("other", "1")), at_both(0, 0));
    assert_eq!(candidate.next(Some(&record("other", "1")), at_both(1, 3600)), waits());
    assert_eq!(candidate.next(Some(&record("other", "1")), at_both(2, -3600)), waits());
}

#[test]
fn held_lock_is_valid_by_the_later_of_both_clocks() {
    let held = Held::new("me".into(), at(100));
    let needed = Duration::from_secs(10);
    for (uptime, wall, expected) in [
        (100, 100, true),
        (105, 105, true),
        (106, 106, false),
        // During a suspend, the monotonic clock stopped.
        (101, 200, false),
        // The wall clock was set back.
        (106, 0, false),
        (104, 0, true),
    ] {
        assert_eq!(held.is_valid_for(needed, at_both(uptime, wall)), expected, "{uptime} s, {wall} s");
    }
}

#[test]
fn held_lock_is_valid_again_after_a_renewal() {
    let mut held = Held::new("me".into(), at(0));
    assert!(!held.is_valid_for(Duration::ZERO, at(16)));
    held.renew(at(16));
    assert!(held.is_valid_for(LEASE_DURATION, at(16)));
}

#[test]
fn held_lock_is_lost_if_the_lease_has_another_holder() {
    let held = Held::new("me".into(), at(0));
    assert_eq!(held.check(Some(&record("me", "7"))), Ok(()));
    assert_eq!(held.check(Some(&record("other", "7"))), Err(LockLoss::TakenOver(holder("other"))));
    assert_eq!(held.check(Some(&record("", "7"))), Err(LockLoss::Cleared));
    assert_eq!(held.check(None), Err(LockLoss::Deleted));
}

#[test]
fn lease_names_are_valid_and_differ() {
    let long = |last: char| "a".repeat(252) + &last.to_string();
    let dotted = "a".repeat(201) + "." + &"b".repeat(51);
    let names = ["agent".to_owned(), "a.b-c".into(), "a".repeat(236), "a".repeat(237), long('a'), long('b'), dotted];
    let leases: Vec<String> = names.iter().map(|name| lease_name(name)).collect();
    assert_eq!(leases[0], "kubectl-ds-cycle-agent");
    for (index, lease) in leases.iter().enumerate() {
        let is_edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let labels: Vec<&str> = lease.split('.').collect();
        assert!(
            lease.len() <= 253 && labels.iter().all(|label| label.starts_with(is_edge) && label.ends_with(is_edge)),
            "{lease}"
        );
        assert!(!leases[..index].contains(lease), "{lease} twice");
    }
    // The hash must not change between versions.
    assert!(lease_name(&long('a')).ends_with("-ac0511ac70a8d3b78adcc8d3daa483d8"), "{}", lease_name(&long('a')));
}
