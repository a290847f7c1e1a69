//! From a file's path to a checked configuration.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::{info, warn};

use super::de::{Context, Notes, ValueReader};
use super::describe;
use super::error::{ConfigError, Problem, Problems};
use super::mismatch::{Mismatch, Site};
use super::overrides;
use super::path;
use super::repair::Repairs;
use super::schema::{Environment, Schema};
use super::tree::{Node, Origin};
use crate::exit::UsageError;

/// More attempts than a file written by a person has problems.
const MAX_ATTEMPTS: usize = 200;

/// A configuration, and where it came from.
#[derive(Debug)]
pub struct Loaded<T> {
    /// The configuration.
    pub config: T,
    /// The dotted keys in the file that Choreo Connect knows and this part does not use.
    pub unused: Vec<String>,
    /// The variables that Choreo Connect's adapter would lay over the file, and this part does not, sorted.
    pub unused_variables: Vec<String>,
    /// `key (VARIABLE)` for each variable that took effect, sorted.
    pub overridden: Vec<String>,
    file: String,
    origins: BTreeMap<String, Origin>,
    templates: BTreeMap<String, String>,
}

/// Reads `path`, lays the environment over it, and makes a `T` of it.
///
/// Every problem that can be found is in the error; a file that cannot be read is one too.
pub fn load<T: DeserializeOwned>(
    path: &Path,
    schema: &Schema,
    environment: &dyn Environment,
) -> Result<Loaded<T>, ConfigError> {
    let file = path.display().to_string();
    let text = std::fs::read(path).map_err(|error| {
        let hint = if error.kind() == std::io::ErrorKind::NotFound {
            " (--config names another file)"
        } else {
            ""
        };
        ConfigError::new(vec![Problem::new(
            &file,
            "",
            format!("cannot read the configuration: {error}{hint}"),
        )])
    })?;
    let text = String::from_utf8(text).map_err(|error| {
        let line = error.as_bytes()[..error.utf8_error().valid_up_to()]
            .split(|byte| *byte == b'\n')
            .count();
        ConfigError::new(vec![Problem::at(
            &file,
            &Origin::Line(line),
            "",
            "not UTF-8",
        )])
    })?;
    load_text(&file, &text, schema, environment)
}

pub(super) fn load_text<T: DeserializeOwned>(
    file: &str,
    text: &str,
    schema: &Schema,
    environment: &dyn Environment,
) -> Result<Loaded<T>, ConfigError> {
    let mut problems = Vec::new();
    let mut tree = Node::parse_file(file, text, &mut problems);
    if !problems.is_empty() {
        // What the parser made of the rest may be far from what was meant.
        return Err(ConfigError::new(problems));
    }
    for dotted in schema.theirs.iter().chain(schema.unused) {
        tree.respell(dotted);
    }
    let mut unused = Vec::new();
    for dotted in schema.unused {
        tree.prune(dotted, &mut unused);
    }
    overrides::apply(&mut tree, schema, environment, &mut problems);
    let read = read(file, &tree, environment, &mut problems);
    let Some((config, notes)) = read.filter(|_| problems.is_empty()) else {
        return Err(ConfigError::new(problems));
    };
    let overridden = notes.overridden.iter();
    let mut overridden: Vec<_> = overridden
        .map(|(variable, key)| format!("{key} ({variable})"))
        .collect();
    overridden.sort();
    Ok(Loaded {
        config,
        unused,
        unused_variables: overrides::theirs(environment),
        overridden,
        file: file.to_owned(),
        origins: notes.origins,
        templates: notes.templates,
    })
}

/// Reads the tree until nothing new is wrong with it.
fn read<T: DeserializeOwned>(
    file: &str,
    tree: &Node,
    environment: &dyn Environment,
    problems: &mut Vec<Problem>,
) -> Option<(T, Notes)> {
    let mut repairs = Repairs::default();
    for _ in 0..MAX_ATTEMPTS {
        let context = Context::new(file, environment, &repairs);
        let result = T::deserialize(ValueReader::new(tree.clone(), String::new(), &context));
        let mut notes = context.into_notes();
        for problem in notes.problems.drain(..) {
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        }
        let mismatch: Mismatch = match result {
            Ok(config) => return Some((config, notes)),
            Err(mismatch) => mismatch.at(|| Site::of("", tree)),
        };
        let (path, origin, missing) = mismatch.place();
        if !repairs.cover(&path) && !notes.is_spoiled(&path) {
            problems.push(Problem::at(file, &origin, &path, mismatch.text()));
        }
        if !repairs.repair(&path, missing) {
            break;
        }
    }
    None
}

impl<T> Loaded<T> {
    /// Runs a part's own checks and turns what they find into the same kind of error, each problem at the line (or the
    /// variable) of its key, or of the nearest table around it that is written.
    pub fn check(self, check: impl FnOnce(&T, &mut Problems)) -> Result<Self, ConfigError> {
        let mut problems = Problems::default();
        check(&self.config, &mut problems);
        let found = problems.into_found();
        if found.is_empty() {
            return Ok(self);
        }
        let place =
            |(key, text): (String, String)| Problem::at(&self.file, &self.origin(&key), &key, text);
        Err(ConfigError::new(found.into_iter().map(place).collect()))
    }

    /// Gives a [`UsageError`] that names a key the line (or the variable) of that key; leaves any other error as it is.
    pub fn locate(&self, error: anyhow::Error) -> anyhow::Error {
        let found = error
            .chain()
            .find_map(|cause| cause.downcast_ref::<UsageError>());
        match found {
            Some(UsageError {
                key: Some(key),
                text,
            }) => {
                let place = Problem::at(&self.file, &self.origin(key), key, text.clone());
                ConfigError::new(vec![place]).into()
            }
            _ => error,
        }
    }

    fn origin(&self, key: &str) -> Origin {
        let mut here = key;
        while !here.is_empty() {
            if let Some(origin) = self.origins.get(here) {
                return origin.clone();
            }
            here = path::parent(here);
        }
        Origin::Line(1)
    }

    /// The configuration as it is in force, defaults included: `adapter.xds.port = 18000`, one for each key, sorted.
    ///
    /// A [`Secret`](super::Secret) cannot be among them (it does not serialise); what came through `$env{NAME}` is shown as it
    /// is written in the file, and users and passwords in URLs as `***`.
    pub fn describe(&self) -> Vec<String>
    where
        T: Serialize,
    {
        describe::lines(&self.config, &self.templates)
    }

    /// What the file says that is in force, secrets included by name: `controlPlane.password (line 12)`, sorted.
    pub fn written(&self) -> Vec<String> {
        let mut keys = self.origins.iter().peekable();
        let mut written = Vec::new();
        while let Some((key, origin)) = keys.next() {
            let holds_others = keys
                .peek()
                .is_some_and(|(next, _)| path::is_within(next, key));
            if let (Origin::Line(line), false, false) = (origin, key.is_empty(), holds_others) {
                written.push(format!("{key} (line {line})"));
            }
        }
        written
    }

    /// Logs the configuration in force (INFO, one line), and the keys and variables that are not used (WARN, a line each). Call it once the
    /// log has been started.
    pub fn log(&self)
    where
        T: Serialize,
    {
        let overridden = self.overridden.join(", ");
        info!(
            file = self.file,
            overridden,
            "Configuration: {}",
            self.describe().join(", ")
        );
        if !self.unused.is_empty() {
            let keys = self.unused.join(", ");
            warn!(
                file = self.file,
                keys, "Keys of Choreo Connect that are not used here"
            );
        }
        if !self.unused_variables.is_empty() {
            let variables = self.unused_variables.join(", ");
            warn!(
                variables,
                "Variables of Choreo Connect that are not used here: RESCIND_<SECTION>__<KEY> takes their place"
            );
        }
    }
}
