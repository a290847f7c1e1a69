//! The configuration files of our own parts, written anew at each start.

mod adapter;
mod enforcer;
pub(crate) mod standin;

use std::{fs, path::Path};

use anyhow::{Context, Result};
use toml::{Table, Value};

pub(crate) use adapter::adapter;
pub(crate) use enforcer::{Believed, enforcer};
pub use standin::ListForm;
pub(crate) use standin::standin;

use crate::files;

/// Writes `base` with the tables of `extra` laid over it.
pub(crate) fn write(path: &Path, base: &serde_json::Value, extra: Option<&str>) -> Result<()> {
    let table = Table::try_from(base).context("the configuration has no form in TOML")?;
    put(path, table, extra)
}

/// Lays the tables of `extra` over the configuration that was written to `path`.
pub(crate) fn change(path: &Path, extra: &str) -> Result<()> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let table = toml::from_str(&text).with_context(|| format!("{} is not TOML", path.display()))?;
    put(path, table, Some(extra))
}

fn put(path: &Path, mut table: Table, extra: Option<&str>) -> Result<()> {
    if let Some(extra) = extra {
        let extra: Table = toml::from_str(extra).context("the extra configuration is not TOML")?;
        lay_over(&mut table, extra);
    }
    let text = toml::to_string(&table).context("the configuration has no form in TOML")?;
    files::replace(
        path,
        &format!("# Written by rescind-stack at each start.\n{text}"),
    )
}

/// Tables are merged; any other value takes the place of the one that was there.
fn lay_over(table: &mut Table, over: Table) {
    for (key, value) in over {
        match (table.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => lay_over(below, above),
            (_, value) => {
                table.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_can_be_changed_before_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("adapter.toml");
        write(&path, &serde_json::json!({ "a": { "x": 1, "y": 2 } }), None).unwrap();
        change(&path, "[a]\nx = 9\n").unwrap();
        change(&path, "[b]\nz = 3\n").unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let expected: Table = toml::from_str("[a]\nx = 9\ny = 2\n[b]\nz = 3\n").unwrap();
        assert_eq!(toml::from_str::<Table>(&text).unwrap(), expected);
    }

    #[test]
    fn what_is_laid_over_changes_only_what_it_names() {
        let mut table: Table = toml::from_str("[a]\nx = 1\ny = 2\n[a.b]\nz = 3\n").unwrap();
        let over = toml::from_str("[a]\nx = 9\n[a.b]\nw = 4\n[c]\nv = 5\n").unwrap();
        lay_over(&mut table, over);
        let expected: Table =
            toml::from_str("[a]\nx = 9\ny = 2\n[a.b]\nz = 3\nw = 4\n[c]\nv = 5\n").unwrap();
        assert_eq!(table, expected);
    }
}
