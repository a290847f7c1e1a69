//! The configuration files of our own parts, written anew at each start.

mod adapter;
mod enforcer;
pub(crate) mod standin;

use std::path::Path;

use anyhow::{Context, Result};
use toml::{Table, Value};

pub(crate) use adapter::adapter;
pub(crate) use enforcer::{Believed, enforcer};
pub use standin::ListForm;
pub(crate) use standin::standin;

use crate::files;

/// Writes `base` with the tables of `extra` laid over it.
pub(crate) fn write(path: &Path, base: &serde_json::Value, extra: Option<&str>) -> Result<()> {
    let mut table = Table::try_from(base).context("the configuration has no form in TOML")?;
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
    fn what_is_laid_over_changes_only_what_it_names() {
        let mut table: Table = toml::from_str("[a]\nx = 1\ny = 2\n[a.b]\nz = 3\n").unwrap();
        let over = toml::from_str("[a]\nx = 9\n[a.b]\nw = 4\n[c]\nv = 5\n").unwrap();
        lay_over(&mut table, over);
        let expected: Table =
            toml::from_str("[a]\nx = 9\ny = 2\n[a.b]\nz = 3\nw = 4\n[c]\nv = 5\n").unwrap();
        assert_eq!(table, expected);
    }
}
