//! The configuration as a tree in which each value knows where it came from.

use toml::Spanned;
use toml::de::{DeTable, DeValue, Error};

use super::error::Problem;
use super::path;

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// A line of the file, from 1.
    Line(usize),
    /// A variable of the environment.
    Variable(String),
}

/// A value and its origin.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

/// TOML's values, and two more.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    /// The text of a variable, of whatever type its reader wants.
    Variable(String),
    Integer(i128),
    Float(f64),
    Bool(bool),
    Datetime(String),
    Array(Vec<Node>),
    Table(Vec<Entry>),
    /// Stands in for a value that is missing or wrong, so that what follows is checked too.
    StandIn,
}

/// A key of a table with its value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) key: String,
    /// Comes from a variable, so the case of the key is not known before it is compared with those that exist.
    pub(super) loose: bool,
    pub(super) node: Node,
}

impl Node {
    pub(super) fn new(value: Value, origin: Origin) -> Self {
        Self { value, origin }
    }

    /// Parses a file, as far as it goes; what is not TOML is reported with its line.
    pub(super) fn parse_file(file: &str, text: &str, problems: &mut Vec<Problem>) -> Self {
        let lines = Lines::of(text);
        let (table, errors) = DeTable::parse_recoverable(text);
        problems.extend(errors.iter().map(|error| {
            let line = lines.at(error.span().map_or(0, |span| span.start));
            Problem::at(
                file,
                &Origin::Line(line),
                "",
                format!("not TOML: {}", describe(error)),
            )
        }));
        let value = table_value(table.get_ref(), &|span| Origin::Line(lines.at(span.start)));
        Self::new(value, Origin::Line(1))
    }

    /// Parses one TOML value out of a variable.
    pub(super) fn parse_variable(text: &str, origin: &Origin) -> Result<Self, String> {
        let value = DeValue::parse(text).map_err(|error| describe(&error))?;
        Ok(node_of(&value, &|_| origin.clone()))
    }

    /// Spells the keys on the way to `dotted` as it does, in each element of the arrays on the way, where they differ in case
    /// alone. A key that stands there beside one that is spelt so is left as it is.
    pub(super) fn respell(&mut self, dotted: &str) {
        match &mut self.value {
            Value::Table(entries) => {
                let (key, rest) = dotted.split_once('.').unwrap_or((dotted, ""));
                let at =
                    |is: &dyn Fn(&str) -> bool| entries.iter().position(|entry| is(&entry.key));
                let found =
                    at(&|name| name == key).or_else(|| at(&|name| name.eq_ignore_ascii_case(key)));
                let Some(at) = found else { return };
                key.clone_into(&mut entries[at].key);
                if !rest.is_empty() {
                    entries[at].node.respell(rest);
                }
            }
            Value::Array(elements) => {
                for element in elements {
                    element.respell(dotted);
                }
            }
            _ => {}
        }
    }

    /// Cuts off what lies at or below `dotted`, in each element of the arrays on the way, and says what was cut.
    pub(super) fn prune(&mut self, dotted: &str, pruned: &mut Vec<String>) {
        self.prune_at("", dotted, pruned);
    }

    fn prune_at(&mut self, here: &str, dotted: &str, pruned: &mut Vec<String>) {
        match &mut self.value {
            Value::Table(entries) => entries.retain_mut(|entry| {
                let path = path::child(here, &entry.key);
                let plain = path::without_indices(&path);
                if plain == dotted {
                    pruned.push(path);
                    return false;
                }
                if path::is_within(dotted, &plain) {
                    entry.node.prune_at(&path, dotted, pruned);
                }
                true
            }),
            Value::Array(elements) => {
                for (at, element) in elements.iter_mut().enumerate() {
                    element.prune_at(&path::element(here, at), dotted, pruned);
                }
            }
            _ => {}
        }
    }
}

fn node_of(
    value: &Spanned<DeValue<'_>>,
    origin: &dyn Fn(std::ops::Range<usize>) -> Origin,
) -> Node {
    let converted = match value.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => i128::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| Value::Text(number.to_string()), Value::Integer),
        DeValue::Float(number) => number
            .as_str()
            .parse()
            .map_or_else(|_| Value::Text(number.to_string()), Value::Float),
        DeValue::Boolean(value) => Value::Bool(*value),
        DeValue::Datetime(moment) => Value::Datetime(moment.to_string()),
        DeValue::Array(elements) => Value::Array(
            elements
                .iter()
                .map(|element| node_of(element, origin))
                .collect(),
        ),
        DeValue::Table(table) => table_value(table, origin),
    };
    Node::new(converted, origin(value.span()))
}

/// A table's entries, each at the place of its key.
fn table_value(table: &DeTable<'_>, origin: &dyn Fn(std::ops::Range<usize>) -> Origin) -> Value {
    let entries = table.iter().map(|(key, value)| {
        let node = node_of(value, origin);
        // An array of tables has no place of its own but those of its elements, and a table's key is where it begins.
        Entry {
            key: key.get_ref().to_string(),
            loose: false,
            node: Node::new(node.value, origin(key.span())),
        }
    });
    Value::Table(entries.collect())
}

/// The parser's message without the line it quotes, which may hold a secret.
fn describe(error: &Error) -> String {
    error.message().replace('\n', ", ")
}

/// Finds the line of an offset.
struct Lines {
    /// The offset of each line's end.
    ends: Vec<usize>,
}

impl Lines {
    fn of(text: &str) -> Self {
        Self {
            ends: text.match_indices('\n').map(|(at, _)| at).collect(),
        }
    }

    fn at(&self, offset: usize) -> usize {
        self.ends.partition_point(|end| *end < offset) + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Node {
        let mut problems = Vec::new();
        let node = Node::parse_file("a.toml", text, &mut problems);
        assert_eq!(problems, []);
        node
    }

    fn origins(node: &Node, here: &str, found: &mut Vec<(String, Origin)>) {
        match &node.value {
            Value::Table(entries) => {
                for entry in entries {
                    let path = path::child(here, &entry.key);
                    found.push((path.clone(), entry.node.origin.clone()));
                    origins(&entry.node, &path, found);
                }
            }
            Value::Array(elements) => {
                for (at, element) in elements.iter().enumerate() {
                    let path = path::element(here, at);
                    found.push((path.clone(), element.origin.clone()));
                    origins(element, &path, found);
                }
            }
            _ => {}
        }
    }

    #[test]
    fn every_value_knows_its_line() {
        let text =
            "a = 1\n\n[b.c]\nd = \"\"\"x\ny\"\"\"\ne = [\n 1,\n 2]\n[[f]]\ng = 1\n[[f]]\nh.i = 2\n";
        let mut found = Vec::new();
        origins(&parse(text), "", &mut found);
        let lines = found.iter().map(|(path, origin)| match origin {
            Origin::Line(line) => (path.as_str(), *line),
            Origin::Variable(_) => unreachable!(),
        });
        assert_eq!(
            Vec::from_iter(lines),
            [
                ("a", 1),
                ("b", 3),
                ("b.c", 3),
                ("b.c.d", 4),
                ("b.c.e", 6),
                ("b.c.e[0]", 7),
                ("b.c.e[1]", 8),
                ("f", 9),
                ("f[0]", 9),
                ("f[0].g", 10),
                ("f[1]", 11),
                ("f[1].h", 12),
                ("f[1].h.i", 12),
            ]
        );
    }

    #[test]
    fn what_is_pruned_is_named() {
        let mut node =
            parse("[a]\nb = 1\nc = 2\n[[a.d]]\ne = 1\nf = 1\n[[a.d]]\nf = 2\n[ab]\nx = 1\n");
        let mut pruned = Vec::new();
        node.prune("a.b", &mut pruned);
        node.prune("a.d.f", &mut pruned);
        node.prune("nowhere.at.all", &mut pruned);
        assert_eq!(pruned, ["a.b", "a.d[0].f", "a.d[1].f"]);
        let mut left = Vec::new();
        origins(&node, "", &mut left);
        let left: Vec<_> = left.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(
            left,
            [
                "a", "a.c", "a.d", "a.d[0]", "a.d[0].e", "a.d[1]", "ab", "ab.x"
            ]
        );
    }

    #[test]
    fn every_syntax_error_is_a_problem_of_its_line() {
        let mut problems = Vec::new();
        Node::parse_file("a.toml", "a = \nb = 1\nc = \"x\nd = 2\n", &mut problems);
        let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert!(
            lines
                .iter()
                .any(|line| line.starts_with("a.toml:1: not TOML: ")),
            "{lines:?}"
        );
        assert!(
            lines
                .iter()
                .any(|line| line.starts_with("a.toml:3: not TOML: ")),
            "{lines:?}"
        );
    }
}
