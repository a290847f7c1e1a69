//! The parts' logs on a terminal: each line with the name of its part before it.

use std::{
    io::{self, IsTerminal, Write},
    path::PathBuf,
    time::Duration,
};

use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncSeekExt, SeekFrom},
    time::sleep,
};

use crate::parts::Part;

/// Longest line that is held back for its end; what is longer is shown in pieces.
const LONGEST_LINE: usize = 64 * 1024;
const PAUSE: Duration = Duration::from_millis(100);

/// A terminal, or whatever stands in its place. Writing never fails: a terminal that was closed must not stop the stack.
#[derive(Debug, Clone, Copy)]
pub struct Terminal {
    colour: bool,
}

impl Terminal {
    /// Standard output; coloured where it is a terminal, unless `NO_COLOR` says otherwise.
    pub fn stdout() -> Self {
        let colour = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { colour }
    }

    /// A line of the stack's own.
    pub fn say(&self, text: &str) {
        for line in text.lines() {
            self.line("stack", 1, line);
        }
    }

    /// Text as it is.
    pub fn plain(&self, text: &str) {
        let mut out = io::stdout().lock();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }

    fn line(&self, name: &str, colour: u8, text: &str) {
        let line = match self.colour {
            true => format!("\x1b[{}m{name:<8} |\x1b[0m {text}\n", 30 + colour),
            false => format!("{name:<8} | {text}\n"),
        };
        self.plain(&line);
    }

    fn part(&self, part: Part, text: &str) {
        // Red is for nobody: it would look like an error.
        let colour = match part {
            Part::Adapter => 2,
            Part::Enforcer => 6,
            Part::Envoy => 5,
            Part::Standin => 3,
            Part::Epmd | Part::Broker | Part::Upstream => 4,
        };
        self.line(part.name(), colour, text);
    }
}

/// Shows what is added to a log, from its present end on, for ever.
pub(crate) async fn follow(part: Part, path: PathBuf, terminal: Terminal) {
    let Ok(mut file) = File::open(&path).await else {
        return;
    };
    let _ = file.seek(SeekFrom::End(0)).await;
    let mut lines = Lines::default();
    let mut buffer = vec![0; 16 * 1024];
    loop {
        match file.read(&mut buffer).await {
            Ok(0) => sleep(PAUSE).await,
            Ok(count) => lines.add(&buffer[..count], |line| terminal.part(part, line)),
            Err(_) => return,
        }
    }
}

/// Cuts what comes in pieces into lines.
#[derive(Debug, Default)]
struct Lines {
    begun: Vec<u8>,
}

impl Lines {
    fn add(&mut self, bytes: &[u8], mut show: impl FnMut(&str)) {
        self.begun.extend_from_slice(bytes);
        while let Some(end) = self.begun.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.begun.drain(..=end).collect();
            show(&readable(&line[..end]));
        }
        if self.begun.len() > LONGEST_LINE {
            show(&readable(&std::mem::take(&mut self.begun)));
        }
    }
}

/// What came from outside may hold bytes that would command the terminal.
fn readable(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    text.trim_end_matches('\r')
        .chars()
        .filter(|&character| character == '\t' || !character.is_control())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_come_in_pieces_are_shown_whole() {
        let (mut lines, mut shown) = (Lines::default(), Vec::new());
        for piece in ["one\ntw", "o\n", "", "three"] {
            lines.add(piece.as_bytes(), |line| shown.push(line.to_owned()));
        }
        assert_eq!(shown, ["one", "two"]);
        assert_eq!(lines.begun, b"three");
    }

    #[test]
    fn a_line_without_an_end_is_shown_in_pieces() {
        let (mut lines, mut shown) = (Lines::default(), 0);
        lines.add(&vec![b'x'; LONGEST_LINE + 1], |line| shown += line.len());
        assert_eq!(shown, LONGEST_LINE + 1);
    }

    #[test]
    fn nothing_in_a_line_commands_the_terminal() {
        assert_eq!(readable(b"a\x1b[2Jb\x07\tc\xff\r"), "a[2Jb\tc\u{fffd}");
    }
}
