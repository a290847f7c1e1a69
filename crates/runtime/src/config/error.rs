//! What is wrong with a configuration, one line for each problem.

use std::fmt;

use super::tree::Origin;

/// Every problem that was found.
///
/// [`problems`](ConfigError::problems) has one line each; `Display` is on one line too, problems apart by `; `.
#[derive(Clone, PartialEq, Eq)]
pub struct ConfigError {
    problems: Vec<Problem>,
}

/// One problem, which prints as one line: `adapter.toml:12: adapter.xds.port: expected a port number (1-65535), found "x"`.
#[derive(Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file's name and line, or the variable.
    place: String,
    /// The dotted key, empty where the problem is none of a key.
    key: String,
    /// What is wrong and what would be right.
    text: String,
    /// The line again, to sort by; what has none comes last.
    line: usize,
}

/// Gathers what a part's own checks find: combinations that no single type can rule out.
#[derive(Debug, Default)]
pub struct Problems {
    found: Vec<(String, String)>,
}

impl ConfigError {
    /// The problems in the order of their lines, each once.
    pub(crate) fn new(mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| problem.line);
        problems.dedup();
        Self { problems }
    }

    /// One or more.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl Problem {
    pub(crate) fn new(
        place: impl Into<String>,
        key: impl Into<String>,
        text: impl Into<String>,
    ) -> Self {
        Self {
            place: place.into(),
            key: key.into(),
            text: text.into(),
            line: usize::MAX,
        }
    }

    /// A problem at a value's origin in `file`.
    pub(super) fn at(file: &str, origin: &Origin, key: &str, text: impl Into<String>) -> Self {
        match origin {
            Origin::Line(line) => Self {
                line: *line,
                ..Self::new(format!("{file}:{line}"), key, text)
            },
            Origin::Variable(name) => Self::new(format!("environment variable {name}"), key, text),
        }
    }
}

impl Problems {
    /// `text` says what is wrong with the value of `key` (dotted, as in the file) and what would be right. It must not
    /// repeat a secret.
    pub fn add(&mut self, key: impl Into<String>, text: impl Into<String>) {
        self.found.push((key.into(), text.into()));
    }

    pub(super) fn into_found(self) -> Vec<(String, String)> {
        self.found
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [self.place.as_str(), self.key.as_str(), self.text.as_str()];
        let mut separator = "";
        for part in parts.iter().filter(|part| !part.is_empty()) {
            f.write_str(separator)?;
            for character in part.chars() {
                // Whatever a file or a variable holds, a problem stays one line.
                match character.is_control() {
                    true => write!(f, "{}", character.escape_default())?,
                    false => fmt::Write::write_char(f, character)?,
                }
            }
            separator = ": ";
        }
        Ok(())
    }
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Problem({self})")
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.problems.iter().enumerate() {
            write!(f, "{}{problem}", if at == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConfigError({self})")
    }
}

impl std::error::Error for ConfigError {}
