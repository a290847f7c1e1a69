//! Where things lie in the state folder.

use std::path::{Path, PathBuf};

use crate::parts::Part;

/// The state folder and what is in it.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) state: PathBuf,
}

impl Layout {
    pub(crate) fn new(state: &Path) -> Self {
        Self {
            state: state.to_owned(),
        }
    }

    pub(crate) fn certs(&self) -> PathBuf {
        self.state.join("certs")
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.state.join("logs")
    }

    pub(crate) fn log(&self, part: Part) -> PathBuf {
        self.logs().join(format!("{part}.log"))
    }

    /// What the supervision itself has to say.
    pub(crate) fn own_log(&self) -> PathBuf {
        self.logs().join("stack.log")
    }

    pub(crate) fn config(&self, part: Part) -> PathBuf {
        let ending = if part == Part::Envoy { "yaml" } else { "toml" };
        self.state.join(format!("{part}.{ending}"))
    }

    /// A part's own folder for what it keeps.
    pub(crate) fn data(&self, part: Part) -> PathBuf {
        self.state.join(part.name())
    }

    pub(crate) fn credentials(&self) -> PathBuf {
        self.state.join("credentials.json")
    }

    /// Whom the enforcer trusts, where that is more than our own CA.
    pub(crate) fn trust(&self) -> PathBuf {
        self.state.join("trust")
    }

    pub(crate) fn jwks(&self) -> PathBuf {
        self.state.join("jwks.json")
    }

    pub(crate) fn env(&self) -> PathBuf {
        self.state.join("env")
    }
}
