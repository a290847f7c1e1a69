//! The published page: what stands between two marks is generated, the rest is written by hand.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};

use crate::{goals::MEANINGS, machine::Machine, row::Row, table};

const BEGIN: &str = "<!-- begin of what `make bench DOCS=1` writes -->\n";
const END: &str = "<!-- end of what `make bench DOCS=1` writes -->\n";

/// The page with the figures of this run in place of those that it had.
///
/// # Errors
///
/// Where the page lacks one of the marks.
pub fn publish(page: &str, machine: &Machine, rows: &[Row]) -> Result<String> {
    let (before, rest) = page
        .split_once(BEGIN)
        .with_context(|| format!("the page has no line {BEGIN}"))?;
    let (_, after) = rest
        .split_once(END)
        .with_context(|| format!("the page has no line {END}"))?;
    Ok(format!(
        "{before}{BEGIN}{}{END}{after}",
        generated(machine, rows)
    ))
}

fn generated(machine: &Machine, rows: &[Row]) -> String {
    let mut text = format!(
        "\n{}: {}.\n\n{}\n",
        machine.line(),
        table::summary(rows),
        table::markdown(rows)
    );
    for meaning in MEANINGS {
        // Writing to a string does not fail.
        let _ = writeln!(text, "- `{}`: {}", meaning.name, meaning.what);
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_marks_is_replaced() {
        let page = format!("# Figures\n{BEGIN}of yesterday\n{END}The end.\n");
        let machine = Machine::look();
        let once = publish(&page, &machine, &[]).unwrap();
        assert!(once.starts_with("# Figures\n") && once.ends_with("The end.\n"));
        assert!(!once.contains("yesterday") && once.contains(&machine.line()));
        assert_eq!(publish(&once, &machine, &[]).unwrap(), once);
    }

    #[test]
    fn a_page_without_marks_is_left_alone() {
        assert!(publish("# Figures\n", &Machine::look(), &[]).is_err());
    }

    #[test]
    fn the_page_in_docs_can_be_written() {
        let page = include_str!("../../../docs/benchmarks.md");
        assert!(publish(page, &Machine::look(), &[]).is_ok());
    }
}
