//! `env` in the state folder: what a script needs to know of a running stack, in lines that a shell can source.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result};

use crate::files;

/// Names and values, in the order in which they are written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Variables(Vec<(&'static str, String)>);

impl Variables {
    pub(crate) fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.0.push((name, value.into()));
    }

    /// The value of a variable; empty for one that there is not.
    pub fn get(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(known, _)| *known == name);
        found.map_or("", |(_, value)| value)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// All of them, by name.
    pub(crate) fn to_map(&self) -> BTreeMap<String, String> {
        self.iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    /// Writes the file in one rename.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let lines: String = self
            .iter()
            .map(|(name, value)| format!("{name}={}\n", quoted(value)))
            .collect();
        files::replace(path, &lines)
    }
}

/// Reads what [`Variables::write`] wrote.
pub(crate) fn read(path: &Path) -> Result<BTreeMap<String, String>> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(text.lines().filter_map(parse).collect())
}

/// Between single quotes a shell takes every character as it is, but for the quote itself.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

fn parse(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once('=')?;
    let value = value.strip_prefix('\'')?.strip_suffix('\'')?;
    Some((name.to_owned(), value.replace(r"'\''", "'")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_what_was_meant() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("env");
        let value = r#"a'b "c" $HOME `id` \ ;#"#;
        let mut variables = Variables::default();
        variables.set("TRICKY", value);
        variables.set("EMPTY", "");
        variables.write(&file).unwrap();

        let script = format!(". {}; printf %s \"$TRICKY\"", file.display());
        let shell = std::process::Command::new("/bin/sh")
            .args(["-c", &script])
            .output()
            .unwrap();
        assert_eq!(String::from_utf8(shell.stdout).unwrap(), value);
        let read = read(&file).unwrap();
        assert_eq!(read["TRICKY"], value);
        assert_eq!(read["EMPTY"], "");
    }
}
