//! Text from outside, made fit for one log line.

/// `text` without control characters and with at most `max` characters.
pub(crate) fn one_line(text: &str, max: usize) -> Box<str> {
    text.chars()
        .map(|c| if is_printable(c) { c } else { ' ' })
        .take(max)
        .collect::<String>()
        .into()
}

/// Neither a control character nor one of the separators and direction marks that rearrange a line in a terminal.
fn is_printable(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_one_line_and_short() {
        assert_eq!(&*one_line("a\r\nb\u{1b}[31m\u{202e}c", 80), "a  b [31m c");
        assert_eq!(&*one_line("éééé", 3), "ééé");
    }
}
