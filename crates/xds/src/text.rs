//! Text from the other side, made fit for a log line.

/// At most `cap` bytes of `text`, with control characters escaped, so that one text stays on one line.
pub(crate) fn clean(text: &str, cap: usize) -> String {
    let mut out = String::with_capacity(text.len().min(cap));
    for c in text.chars() {
        let start = out.len();
        if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
        if out.len() > cap {
            out.truncate(start);
            break;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped_and_the_rest_is_kept() {
        assert_eq!(clean("a\nb\u{1b}[0mé", 100), "a\\nb\\u{1b}[0mé");
    }

    #[test]
    fn the_cap_counts_bytes_and_cuts_between_characters() {
        assert_eq!(clean("éé", 3), "é");
        assert_eq!(clean("a\n", 2), "a");
    }

    #[test]
    fn a_huge_text_costs_no_more_than_the_cap() {
        assert_eq!(clean(&"x".repeat(1 << 20), 4096).len(), 4096);
    }
}
