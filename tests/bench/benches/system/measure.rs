//! Percentiles, and how a figure is shown.

/// Prints one figure.
pub(crate) fn show(name: &str, case: &str, value: f64, unit: &str, peer: Option<f64>) {
    let beside = peer.map_or(String::new(), |peer| format!(", peer {peer:.3}"));
    eprintln!("{name} {case}: {value:.3} {unit}{beside}");
    let digits = |value: f64| (value * 1e4).round() / 1e4;
    let line = serde_json::json!({
        "name": name, "case": case, "value": digits(value), "unit": unit, "peer": peer.map(digits),
    });
    println!("{line}");
}

/// The value that `share` of the values do not exceed. Sorts them.
pub(crate) fn percentile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = (values.len() as f64 * share).ceil() as usize;
    values[at.clamp(1, values.len()) - 1]
}

/// The middle one.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    percentile(&mut values, 0.5)
}
