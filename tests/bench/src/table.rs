//! Rows as a table: aligned for a terminal, and in Markdown.

use std::fmt::Write as _;

use crate::{
    goals::{Bound, GOALS, Goal},
    row::{Row, unmeasured},
};

const HEADER: [&str; 6] = ["figure", "value", "goal", "", "peer, same run", "limit"];

/// Aligned columns, the figures without a goal last.
pub fn text(rows: &[Row]) -> String {
    let lines: Vec<_> = std::iter::once(HEADER.map(str::to_owned))
        .chain(in_order(rows).map(cells))
        .collect();
    let widths: [usize; 6] = std::array::from_fn(|at| {
        lines
            .iter()
            .map(|line| line[at].chars().count())
            .max()
            .unwrap_or(0)
    });
    let mut table = String::new();
    for line in &lines {
        let padded = line
            .iter()
            .zip(widths)
            .enumerate()
            .map(|(at, (cell, width))| match at {
                // Numbers are read from the right.
                1 => format!("{cell:>width$}"),
                _ => format!("{cell:<width$}"),
            });
        let padded: Vec<_> = padded.collect();
        table.push_str(padded.join("  ").trim_end());
        table.push('\n');
    }
    table
}

/// One line on how many goals are met.
pub fn summary(rows: &[Row]) -> String {
    let count = |met| rows.iter().filter(|row| row.met == Some(met)).count();
    format!("{} met, {} not met", count(true), count(false))
}

/// A line for the goals that nothing was measured for; empty where there are none.
pub fn missing(rows: &[Row]) -> String {
    let names: Vec<_> = unmeasured(rows).into_iter().map(title).collect();
    match names.is_empty() {
        true => String::new(),
        false => format!("not measured: {}\n", names.join("; ")),
    }
}

/// A table for `docs/`.
pub fn markdown(rows: &[Row]) -> String {
    let mut table = format!(
        "| {} |\n|{}\n",
        HEADER.join(" | "),
        " --- |".repeat(HEADER.len())
    );
    for row in in_order(rows) {
        let [figure, value, goal, met, peer, limit] = cells(row);
        let met = match row.met {
            Some(false) => "**not met**".to_owned(),
            _ => met,
        };
        // Writing to a string does not fail.
        let _ = writeln!(
            table,
            "| `{}` {} | {value} | {goal} | {met} | {peer} | {limit} |",
            row.name, row.case
        );
        debug_assert!(figure.contains(&row.name));
    }
    for goal in unmeasured(rows) {
        let _ = writeln!(
            table,
            "| `{}` {} | not measured | {} | | | |",
            goal.name,
            goal.case,
            bound(goal.bound)
        );
    }
    table
}

/// Those with a goal in the order of the goals, then the others by name, each as they came.
fn in_order(rows: &[Row]) -> impl Iterator<Item = &Row> {
    let place = |row: &Row| {
        let place = GOALS
            .iter()
            .position(|goal| goal.is_of(&row.name, &row.case));
        (
            place.unwrap_or(GOALS.len()),
            if place.is_some() {
                String::new()
            } else {
                row.name.clone()
            },
        )
    };
    let mut rows: Vec<_> = rows.iter().collect();
    rows.sort_by_key(|row| place(row));
    rows.into_iter()
}

fn cells(row: &Row) -> [String; 6] {
    let goal = Goal::of(GOALS, &row.name, &row.case);
    let met = match row.met {
        Some(true) => "met",
        Some(false) => "not met",
        None => "no goal",
    };
    [
        format!("{} {}", row.name, row.case),
        format!("{} {}", number(row.value), row.unit),
        goal.map(|goal| bound(goal.bound)).unwrap_or_default(),
        met.to_owned(),
        row.peer
            .map(|peer| named(peer, goal.map_or("", |goal| goal.peer)))
            .unwrap_or_default(),
        goal.and_then(|goal| goal.limit)
            .map(|limit| named(limit.value, limit.what))
            .unwrap_or_default(),
    ]
}

fn title(goal: &Goal) -> String {
    format!("{} {}", goal.name, goal.case).trim_end().to_owned()
}

fn named(value: f64, name: &str) -> String {
    match name {
        "" => number(value),
        name => format!("{}: {name}", number(value)),
    }
}

fn bound(bound: Bound) -> String {
    match bound {
        Bound::AtMost(goal) => format!("<= {}", number(goal)),
        Bound::AtLeast(goal) => format!(">= {}", number(goal)),
        Bound::AtMostOfPeer(ratio) => format!("<= {} x peer", number(ratio)),
        Bound::AtLeastOfPeer(ratio) => format!(">= {} x peer", number(ratio)),
    }
}

/// Three digits that count, and thousands apart.
fn number(value: f64) -> String {
    let decimals = match value.abs() {
        _ if value.fract() == 0.0 => 0,
        0.0..10.0 => 2,
        10.0..100.0 => 1,
        _ => 0,
    };
    let text = format!("{value:.decimals$}");
    let digits = text.find('.').unwrap_or(text.len());
    let (whole, fraction) = text.split_at(digits);
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) && grouped != "-" {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped + fraction
}

#[cfg(test)]
mod tests;
