//! What is printed.

/// One figure, by the name that the budgets have for it.
pub(crate) fn print(name: &str, case: &str, value: f64, unit: &str) {
    eprintln!("{name:28} {case:40} {value:12.3} {unit}");
    println!(
        "{{\"name\":\"{name}\",\"case\":\"{case}\",\"value\":{value:.3},\"unit\":\"{unit}\"}}"
    );
}

/// That of which `share` are not larger.
pub(crate) fn quantile(runs: &mut [f64], share: f64) -> f64 {
    runs.sort_by(f64::total_cmp);
    let last = runs.len() - 1;
    runs[((last as f64 * share).ceil() as usize).min(last)]
}

pub(crate) fn median(runs: &mut [f64]) -> f64 {
    quantile(runs, 0.5)
}
