//! Clocks, medians, and how a figure is shown.

use std::{hint::black_box, time::Instant};

/// Nanoseconds that each of `count` steps of `work` took.
pub(crate) fn nanoseconds(count: usize, work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_nanos() as f64 / count as f64
}

/// The medians of two measurements taken in turns, so that a noisy moment meets both.
pub(crate) fn medians(rounds: usize, one: impl Fn() -> f64, other: impl Fn() -> f64) -> (f64, f64) {
    let (ones, others): (Vec<_>, Vec<_>) = (0..rounds)
        .map(|_| (black_box(one()), black_box(other())))
        .unzip();
    (median(ones), median(others))
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// What of this process is in memory; 0 where the system does not say.
pub(crate) fn resident_bytes() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = pages
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<usize>().ok());
    pages.unwrap_or(0) * 4096
}

/// One figure. What it has to reach stands in `tests/bench`, with the goals of all benchmarks.
pub(crate) struct Figure {
    name: &'static str,
    case: &'static str,
    value: f64,
    unit: &'static str,
    peer: Option<(f64, &'static str)>,
}

pub(crate) fn header() {
    eprintln!("{:<30} {:<34} {:>12}  peer", "figure", "case", "value");
}

impl Figure {
    pub(crate) fn new(
        name: &'static str,
        case: &'static str,
        value: f64,
        unit: &'static str,
    ) -> Self {
        Self {
            name,
            case,
            value,
            unit,
            peer: None,
        }
    }

    pub(crate) fn peer(self, value: f64, name: &'static str) -> Self {
        Self {
            peer: Some((value, name)),
            ..self
        }
    }

    pub(crate) fn show(&self) {
        let Self {
            name,
            case,
            value,
            unit,
            peer,
        } = self;
        let measured = peer.map_or("null".to_owned(), |(value, _)| format!("{value:.2}"));
        println!(
            r#"{{"name":"{name}","case":"{case}","value":{value:.2},"unit":"{unit}","peer":{measured}}}"#
        );
        let beside = peer.map_or(String::new(), |(value, name)| format!("{value:.2} {name}"));
        eprintln!("{name:<30} {case:<34} {value:>12.2}  {beside} [{unit}]");
    }
}
