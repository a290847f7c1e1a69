//! Keeping a line a line.

use std::fmt::{self, Write};

/// Writes through to `inner`, every control character escaped, as well as what a terminal or a viewer may take for a line's
/// end or for a change of direction.
pub(super) struct Escaping<'a, W>(pub(super) &'a mut W);

impl<W: Write> Write for Escaping<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut clean = 0;
        for (at, character) in text
            .char_indices()
            .filter(|(_, character)| is_unsafe(*character))
        {
            self.0.write_str(&text[clean..at])?;
            write!(self.0, "{}", character.escape_default())?;
            clean = at + character.len_utf8();
        }
        self.0.write_str(&text[clean..])
    }
}

/// Controls (C0, DEL, C1), the line and paragraph separators, and the bidirectional controls.
fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, escaped: &str) {
        let mut out = String::new();
        Escaping(&mut out).write_str(text).unwrap();
        assert_eq!(out, escaped);
    }

    #[test]
    fn controls_are_escaped_and_all_else_is_left() {
        check("plain \"quoted\" é", "plain \"quoted\" é");
        check("a\nb\r\n", "a\\nb\\r\\n");
        check("\u{1b}[31mred", "\\u{1b}[31mred");
        check("x\u{2028}y\u{202e}z\u{85}", "x\\u{2028}y\\u{202e}z\\u{85}");
        check("", "");
    }
}
