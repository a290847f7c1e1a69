//! The configuration in force, for the log.

use std::collections::BTreeMap;

use serde::Serialize;
use toml::Value;

use super::path;
use super::words::mask_userinfo;

/// A line for each value; `templates` are shown in place of what was made of them.
pub(super) fn lines<T: Serialize>(config: &T, templates: &BTreeMap<String, String>) -> Vec<String> {
    let mut lines = Vec::new();
    match Value::try_from(config) {
        Ok(value) => flatten("", &value, templates, &mut lines),
        Err(_) => lines.push("cannot be shown".to_owned()),
    }
    lines
}

fn flatten(
    here: &str,
    value: &Value,
    templates: &BTreeMap<String, String>,
    lines: &mut Vec<String>,
) {
    match value {
        Value::Table(table) => {
            for (key, value) in table {
                flatten(&path::child(here, key), value, templates, lines);
            }
        }
        Value::Array(elements) if !elements.is_empty() => {
            for (at, element) in elements.iter().enumerate() {
                flatten(&path::element(here, at), element, templates, lines);
            }
        }
        value => lines.push(format!("{here} = {}", show(here, value, templates))),
    }
}

fn show(here: &str, value: &Value, templates: &BTreeMap<String, String>) -> String {
    match value {
        Value::String(_) if path::names_a_secret(here) => "***".to_owned(),
        Value::String(text) => {
            let text = templates.get(here).unwrap_or(text);
            Value::String(mask_userinfo(text)).to_string()
        }
        value => value.to_string(),
    }
}
