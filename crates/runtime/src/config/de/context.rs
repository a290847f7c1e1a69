//! What is shared by all values of one reading, and what is found out while reading.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::config::error::Problem;
use crate::config::path;
use crate::config::repair::Repairs;
use crate::config::schema::Environment;
use crate::config::tree::{Entry, Origin};
use crate::config::words::unknown_key;

/// One reading of the tree.
pub(in crate::config) struct Context<'a> {
    pub(in crate::config) repairs: &'a Repairs,
    file: &'a str,
    environment: &'a dyn Environment,
    notes: RefCell<Notes>,
}

/// What a reading has found.
#[derive(Debug, Default)]
pub(in crate::config) struct Notes {
    pub(in crate::config) problems: Vec<Problem>,
    /// Where each value was written, by its dotted key.
    pub(in crate::config) origins: BTreeMap<String, Origin>,
    /// The texts with `$env{NAME}` in them as they are written, by their dotted key.
    pub(in crate::config) templates: BTreeMap<String, String>,
    /// The dotted key that each variable has set.
    pub(in crate::config) overridden: BTreeMap<String, String>,
    substituted: BTreeMap<String, String>,
    spoiled: Vec<String>,
}

impl Notes {
    /// Whether the text at `path` lacks a variable, so that what else is wrong with it does not matter.
    pub(in crate::config) fn is_spoiled(&self, path: &str) -> bool {
        self.spoiled.iter().any(|spoiled| spoiled == path)
    }
}

impl<'a> Context<'a> {
    pub(in crate::config) fn new(
        file: &'a str,
        environment: &'a dyn Environment,
        repairs: &'a Repairs,
    ) -> Self {
        Self {
            repairs,
            file,
            environment,
            notes: RefCell::default(),
        }
    }

    pub(in crate::config) fn into_notes(self) -> Notes {
        self.notes.into_inner()
    }

    pub(super) fn note_origin(&self, path: &str, origin: &Origin) {
        self.notes
            .borrow_mut()
            .origins
            .insert(path.to_owned(), origin.clone());
    }

    /// Notes the outermost key that a variable sets.
    pub(super) fn note_variable(&self, path: &str, origin: &Origin) {
        if let Origin::Variable(name) = origin {
            let overridden = &mut self.notes.borrow_mut().overridden;
            let path = || path.to_owned();
            overridden.entry(name.clone()).or_insert_with(path);
        }
    }

    pub(super) fn report_unknown(&self, table: &str, entry: &Entry, known: &[&str]) {
        let path = path::child(table, &entry.key);
        let problem = Problem::at(
            self.file,
            &entry.node.origin,
            &path,
            unknown_key(&entry.key, known),
        );
        self.notes.borrow_mut().problems.push(problem);
    }

    /// What was made of the text at `path`, if it had variables in it.
    pub(super) fn substituted(&self, path: &str) -> Option<String> {
        self.notes.borrow().substituted.get(path).cloned()
    }

    /// Replaces each `$env{NAME}`. One that is unset is a problem, and empty for what follows.
    pub(super) fn substitute(&self, path: &str, origin: &Origin, template: String) -> String {
        const OPENING: &str = "$env{";
        if !template.contains(OPENING) {
            return template;
        }
        let mut text = String::new();
        let mut rest = template.as_str();
        while let Some((before, after)) = rest.split_once(OPENING) {
            text.push_str(before);
            let Some((name, after)) = after.split_once('}') else {
                self.report_spoiled(path, origin, "\"$env{\" has no \"}\" after it".to_owned());
                rest = "";
                break;
            };
            match self.environment.var(name) {
                Some(value) => text.push_str(&value),
                None => self.report_spoiled(
                    path,
                    origin,
                    format!("the environment variable {name} is not set"),
                ),
            }
            rest = after;
        }
        text.push_str(rest);
        let mut notes = self.notes.borrow_mut();
        notes.substituted.insert(path.to_owned(), text.clone());
        notes.templates.insert(path.to_owned(), template);
        text
    }

    fn report_spoiled(&self, path: &str, origin: &Origin, problem: String) {
        let mut notes = self.notes.borrow_mut();
        notes
            .problems
            .push(Problem::at(self.file, origin, path, problem));
        notes.spoiled.push(path.to_owned());
    }
}
