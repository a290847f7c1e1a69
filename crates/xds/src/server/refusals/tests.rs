use super::*;

const HEAD: Position = Position(100);

fn refusals() -> Refusals {
    Refusals::new(&Settings::default())
}

fn range(from: u64, to: u64) -> Range {
    Range {
        from: Position(from),
        to: Position(to),
        resources: (to - from) as usize,
        bytes: (to - from) as usize * 10,
    }
}

fn send(to: u64, max_bytes: usize) -> Plan {
    Plan::Send {
        to: Position(to),
        max_bytes,
    }
}

#[test]
fn without_refusals_everything_up_to_the_head_goes_out() {
    let refusals = refusals();
    assert_eq!(refusals.plan(Position(7), HEAD, 1000), send(100, 1000));
    assert_eq!(refusals.plan(HEAD, HEAD, 1000), Plan::Nothing);
    assert!(refusals.is_empty());
}

#[test]
fn the_first_refusal_holds_until_the_time_is_over_or_the_head_moves() {
    let now = Instant::now();
    let mut refusals = refusals();
    assert_eq!(refusals.refused(range(0, 8), HEAD, now), Verdict::Held);
    let until = now + Duration::from_secs(5);
    assert_eq!(refusals.held_until(HEAD, now), Some(until));
    assert_eq!(refusals.held_until(HEAD, until), None);

    refusals.forget(Position(0), HEAD);
    refusals.refused(range(0, 8), HEAD, now);
    assert_eq!(refusals.held_until(Position(101), now), None);
}

#[test]
fn a_refused_range_goes_out_in_halves_and_what_is_before_it_by_itself() {
    let mut refusals = refusals();
    refusals.refused(range(10, 18), HEAD, Instant::now());
    assert_eq!(refusals.plan(Position(3), HEAD, 1000), send(10, 1000));
    assert_eq!(refusals.plan(Position(10), HEAD, 1000), send(18, 40));
    refusals.cut_at(Position(14));
    assert_eq!(refusals.plan(Position(10), HEAD, 1000), send(14, 1000));
    refusals.accepted(range(10, 14));
    assert_eq!(refusals.plan(Position(14), HEAD, 1000), send(18, 1000));
    assert_eq!(
        refusals.refused(range(14, 18), HEAD, Instant::now()),
        Verdict::Halved,
        "the other half is other content: nothing waits"
    );
}

#[test]
fn an_entry_that_is_refused_alone_is_skipped_and_neighbours_are_joined() {
    let mut refusals = refusals();
    for at in [10, 11] {
        assert_eq!(
            refusals.refused(range(at, at + 1), HEAD, Instant::now()),
            Verdict::Skipped
        );
    }
    assert_eq!(refusals.skipped_entries(), 2);
    assert_eq!(refusals.skipped.len(), 1);
    assert_eq!(
        refusals.plan(Position(10), HEAD, 1000),
        Plan::Skip(Position(12))
    );
    assert_eq!(refusals.plan(Position(0), HEAD, 1000), send(10, 1000));
}

#[test]
fn the_same_empty_content_waits_five_seconds_doubling_to_five_minutes() {
    let now = Instant::now();
    let mut refusals = refusals();
    let mut waits = Vec::new();
    for _ in 0..8 {
        refusals.refused(range(5, 5), HEAD, now);
        waits.push((refusals.held_until(HEAD, now).expect("held") - now).as_secs());
    }
    assert_eq!(waits, [5, 10, 20, 40, 80, 160, 300, 300]);
    refusals.accepted(range(5, 5));
    refusals.refused(range(5, 5), HEAD, now);
    assert_eq!(
        refusals.held_until(HEAD, now),
        Some(now + Duration::from_secs(5))
    );
}

#[test]
fn who_refuses_everything_is_given_a_rest() {
    let now = Instant::now();
    let mut refusals = refusals();
    for at in 0..IN_A_ROW as u64 {
        refusals.refused(range(at, at + 1), HEAD, now);
    }
    assert_eq!(refusals.held_until(HEAD, now), None);
    refusals.refused(range(64, 65), HEAD, now);
    assert!(refusals.held_until(HEAD, now).is_some());
}
