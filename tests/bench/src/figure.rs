//! What a benchmark has measured: one line of its output.

use anyhow::{Context as _, Result};
use serde::Deserialize;

/// One figure.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Figure {
    /// What was measured, such as `set.miss_ns`.
    pub name: String,
    /// Under which circumstances, such as `1M`.
    pub case: String,
    /// How much it was.
    pub value: f64,
    /// Of what.
    pub unit: String,
    /// What the peer took, measured in the same run.
    #[serde(default)]
    pub peer: Option<f64>,
}

/// The figures in a benchmark's output. Lines that do not begin with a brace are talk.
///
/// # Errors
///
/// A line that begins with a brace and is no figure.
pub fn figures(output: &str) -> Result<Vec<Figure>> {
    output
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).with_context(|| format!("not a figure: {line}")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_figure_whatever_it_says_of_goals() {
        let output = "warming up\n{\"name\":\"a.ns\",\"case\":\"1M\",\"value\":2.5,\"unit\":\"ns\",\"goal\":1,\
                      \"limit\":null,\"peer\":4,\"met\":false}\n";
        let figure = Figure {
            name: "a.ns".to_owned(),
            case: "1M".to_owned(),
            value: 2.5,
            unit: "ns".to_owned(),
            peer: Some(4.0),
        };
        assert_eq!(figures(output).unwrap(), [figure]);
    }

    #[test]
    fn a_value_that_is_no_number_is_an_error() {
        let output = r#"{"name":"a.ns","case":"1M","value":NaN,"unit":"ns"}"#;
        assert!(figures(output).is_err());
        assert!(figures(r#"{"name":"a.ns"}"#).is_err());
    }
}
