//! The parts of a stack, and what it takes to start one.

use std::{
    ffi::{OsStr, OsString},
    fmt,
    path::PathBuf,
    process::Stdio,
};

use anyhow::{Context, Result};
use tokio::process::{Child, Command};

use crate::{files, probe::Probe};

/// One of the processes, in the order in which they start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// Erlang's port mapper, which the private broker needs.
    Epmd,
    /// The private broker.
    Broker,
    /// The API behind Envoy.
    Upstream,
    /// The stand-in control plane.
    Standin,
    /// The adapter.
    Adapter,
    /// The enforcer.
    Enforcer,
    /// Envoy.
    Envoy,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Epmd,
        Self::Broker,
        Self::Upstream,
        Self::Standin,
        Self::Adapter,
        Self::Enforcer,
        Self::Envoy,
    ];

    /// Its name, in logs and in the names of files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Epmd => "epmd",
            Self::Broker => "broker",
            Self::Upstream => "upstream",
            Self::Standin => "standin",
            Self::Adapter => "adapter",
            Self::Enforcer => "enforcer",
            Self::Envoy => "envoy",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How a part is started, asked and ended.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    pub(crate) part: Part,
    pub(crate) path: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) environment: Vec<(String, OsString)>,
    /// Whether it gets nothing of the caller's environment.
    pub(crate) clean: bool,
    pub(crate) log: PathBuf,
    pub(crate) probe: Probe,
}

impl Program {
    /// Starts it as the leader of a process group of its own, so that a Ctrl-C in the terminal reaches the stack alone.
    pub(crate) fn spawn(&self) -> Result<Child> {
        let log = files::append(&self.log)?;
        let mut command = Command::new(&self.path);
        if self.clean {
            command.env_clear();
        }
        for (name, _) in std::env::vars_os().filter(|(name, _)| names_no_key(name)) {
            command.env_remove(name);
        }
        command
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("cannot share the log")?)
            .stderr(log)
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", self.path.display()))
    }
}

/// Our parts take every variable `RESCIND_<SECTION>__<KEY>` for a setting, and refuse one that is none, such as the tests'
/// own `RESCIND_SOAK`.
fn names_no_key(variable: &OsStr) -> bool {
    let name = variable.to_string_lossy();
    name.starts_with("RESCIND_") && !name.contains("__")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_setting_stays_with_the_caller() {
        for (name, kept) in [
            ("RESCIND_SOAK", true),
            ("RESCIND_FAULT_SEED", true),
            ("RESCIND_LOG__LEVEL", false),
            ("PATH", false),
        ] {
            assert_eq!(names_no_key(OsStr::new(name)), kept, "{name}");
        }
    }
}
