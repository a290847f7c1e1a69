//! Environment variables as a layer over the file.

use super::error::Problem;
use super::schema::{Environment, Schema};
use super::tree::{Entry, Node, Origin, Value};

/// Puts every variable that is set where it belongs in the tree: those with names of their own first, then those with the
/// prefix. Whether the keys exist is found when the tree is read.
pub(super) fn apply(
    tree: &mut Node,
    schema: &Schema,
    environment: &dyn Environment,
    problems: &mut Vec<Problem>,
) {
    for (name, dotted) in schema.variables {
        match environment.var(name) {
            Some(text) if !text.is_empty() => {
                let keys: Vec<_> = dotted.split('.').map(str::to_owned).collect();
                merge(tree, branch(&keys, false, name, text));
            }
            _ => {}
        }
    }
    let mut names = environment.names(schema.prefix);
    names.sort();
    for name in names {
        let rest = &name[schema.prefix.len()..];
        let own = schema.variables.iter().any(|(known, _)| *known == name);
        if own
            || rest == "CONFIG"
            || schema.foreign.contains(&name.as_str())
            || is_service_link(rest)
        {
            continue;
        }
        let keys: Vec<_> = rest.split("__").map(str::to_lowercase).collect();
        if keys.len() < 2 || keys.iter().any(String::is_empty) {
            let form = format!(
                "names no key, expected the form {}<SECTION>__<KEY>",
                schema.prefix
            );
            problems.push(Problem::at("", &Origin::Variable(name), "", form));
        } else if let Some(text) = environment.var(&name) {
            merge(tree, branch(&keys, true, &name, text));
        }
    }
}

/// The variables that Choreo Connect's adapter would lay over its file, by their names alone, in whatever case: `CC_`, a
/// section and keys, with `_` between. What key one means cannot be told from its name with certainty.
pub(super) fn theirs(environment: &dyn Environment) -> Vec<String> {
    const SECTIONS: [&str; 7] = [
        "ADAPTER",
        "ANALYTICS",
        "CONTROLPLANE",
        "ENFORCER",
        "GLOBALADAPTER",
        "ROUTER",
        "TRACING",
    ];
    let is_theirs = |name: &String| {
        let name = name.to_ascii_uppercase();
        let rest = name
            .strip_prefix("CC_")
            .and_then(|name| name.split_once('_'));
        rest.is_some_and(|(section, _)| SECTIONS.contains(&section))
    };
    let mut names = environment.names("");
    names.retain(is_theirs);
    names.sort();
    names
}

/// Gives the loose keys of a table their true names: those of `known` (the fields of a struct) where they differ in case
/// alone, else those that the table has. A field may have two names: then it is the one that the table has.
pub(super) fn settle(entries: Vec<Entry>, known: &[&str]) -> Vec<Entry> {
    let (loose, mut settled): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| entry.loose);
    for mut entry in loose {
        let there = settled.iter().map(|entry| entry.key.as_str());
        let name = there
            .clone()
            .filter(|key| known.contains(key))
            .chain(known.iter().copied())
            .chain(there)
            .find(|name| name.eq_ignore_ascii_case(&entry.key))
            .map(str::to_owned);
        entry.key = name.unwrap_or(entry.key);
        entry.loose = false;
        merge_entry(&mut settled, entry);
    }
    settled
}

/// Kubernetes sets, for a service called `rescind-adapter`, `RESCIND_ADAPTER_SERVICE_HOST`, `.._SERVICE_PORT[_NAME]`,
/// `.._PORT` and `.._PORT_18000_TCP[_ADDR|_PORT|_PROTO]` in every pod of the namespace.
fn is_service_link(rest: &str) -> bool {
    let ports = |tail: &str| {
        let tail = tail.trim_start_matches(|character: char| character.is_ascii_digit());
        ["_TCP", "_UDP", "_SCTP"]
            .iter()
            .any(|protocol| tail.starts_with(protocol))
    };
    !rest.contains("__")
        && (rest.ends_with("_SERVICE_HOST")
            || rest.contains("_SERVICE_PORT")
            || rest.ends_with("_PORT")
            || rest
                .split_once("_PORT_")
                .is_some_and(|(_, tail)| ports(tail)))
}

/// Nested tables with one value at their end.
fn branch(keys: &[String], loose: bool, variable: &str, text: String) -> Node {
    let origin = Origin::Variable(variable.to_owned());
    keys.iter().rev().fold(
        Node::new(Value::Variable(text), origin.clone()),
        |node, key| {
            let entry = Entry {
                key: key.clone(),
                loose,
                node,
            };
            Node::new(Value::Table(vec![entry]), origin.clone())
        },
    )
}

/// Lays `over` over `node`: tables are merged, anything else is replaced.
fn merge(node: &mut Node, over: Node) {
    match (&mut node.value, over.value) {
        (Value::Table(entries), Value::Table(over)) => {
            for entry in over {
                merge_entry(entries, entry);
            }
        }
        (_, value) => *node = Node::new(value, over.origin),
    }
}

fn merge_entry(entries: &mut Vec<Entry>, over: Entry) {
    match entries
        .iter_mut()
        .find(|entry| entry.key == over.key && entry.loose == over.loose)
    {
        Some(entry) => merge(&mut entry.node, over.node),
        None => entries.push(over),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_kubernetes_are_known() {
        for rest in [
            "ADAPTER_SERVICE_HOST",
            "ADAPTER_SERVICE_PORT",
            "ADAPTER_SERVICE_PORT_XDS",
            "ADAPTER_PORT",
            "ADAPTER_PORT_18000_TCP",
            "ADAPTER_PORT_18000_TCP_ADDR",
            "ADAPTER_PORT_53_UDP_PROTO",
        ] {
            assert!(is_service_link(rest), "{rest}");
        }
        for rest in [
            "ADAPTER__XDS__PORT",
            "XDS__SERVICE_PORT",
            "LOGLEVEL",
            "ADAPTER_PORT_X",
        ] {
            assert!(!is_service_link(rest), "{rest}");
        }
    }
}
