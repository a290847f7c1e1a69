use super::*;
use crate::{figure::Figure, row::join};

fn rows() -> Vec<Row> {
    let figure = |name: &str, case: &str, value, unit: &str, peer| Figure {
        name: name.to_owned(),
        case: case.to_owned(),
        value,
        unit: unit.to_owned(),
        peer,
    };
    join(vec![
        figure("other.ns", "1M", 1234567.0, "ns", None),
        figure("e2e.burst", "s", 9.25, "s", Some(4.0)),
        figure("set.miss_ns", "1M", 71.239, "ns", Some(140.0)),
    ])
}

#[test]
fn the_table_is_aligned_and_those_with_a_goal_come_first() {
    let expected = "\
figure                 value  goal                  peer, same run                         limit
set.miss_ns 1M       71.2 ns  <= 80        met      140: RwLock<HashMap>                   60: the best exact structures
e2e.burst s           9.25 s  <= 2 x peer  not met  4: a bare lapin consumer, not durable
other.ns 1M     1 234 567 ns               no goal
";
    assert_eq!(text(&rows()), expected);
}

#[test]
fn the_markdown_table_says_not_met_aloud_and_names_what_was_not_measured() {
    let table = markdown(&rows());
    let line = "| `e2e.burst` s | 9.25 s | <= 2 x peer | **not met** | 4: a bare lapin consumer, not durable |  |\n";
    assert!(table.contains(line), "{table}");
    let line = "| `e2e.burst` lost | not measured | <= 0 | | | |\n";
    assert!(table.contains(line), "{table}");
    assert_eq!(table.lines().count(), 2 + 3 + GOALS.len() - 2);
}

#[test]
fn the_goals_are_counted_and_the_missing_ones_named() {
    assert_eq!(summary(&rows()), "1 met, 1 not met");
    assert!(missing(&rows()).contains("; e2e.burst lost; "));
}

#[test]
fn three_digits_count() {
    let numbers = [0.004, 0.31, 9.999, 71.239, 713.9, 28_123.4, 3.0, -1_500.0];
    let expected = [
        "0.00", "0.31", "10.00", "71.2", "714", "28 123", "3", "-1 500",
    ];
    assert_eq!(numbers.map(number), expected);
}
