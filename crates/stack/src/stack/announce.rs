//! The file `env`: there when, and only when, the whole stack is ready.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use tokio::sync::watch;

use crate::{envfile::Variables, keeper::Status, parts::Part};

/// Knows what `env` says and whether it is to be there.
#[derive(Debug)]
pub(super) struct Announcer {
    path: PathBuf,
    fixed: Variables,
    status: BTreeMap<Part, watch::Receiver<Status>>,
    is_announced: Mutex<bool>,
}

impl Announcer {
    pub(super) fn new(
        path: PathBuf,
        fixed: Variables,
        status: BTreeMap<Part, watch::Receiver<Status>>,
    ) -> Self {
        Self {
            path,
            fixed,
            status,
            is_announced: Mutex::new(false),
        }
    }

    pub(super) fn variables(&self) -> Variables {
        let mut all = self.fixed.clone();
        for (name, part) in [
            ("ADAPTER_PID", Part::Adapter),
            ("ENFORCER_PID", Part::Enforcer),
            ("ENVOY_PID", Part::Envoy),
        ] {
            all.set(name, self.pid(part));
        }
        all
    }

    /// From now on the file is there.
    pub(super) fn announce(&self) -> anyhow::Result<()> {
        let mut is_announced = self
            .is_announced
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        self.variables().write(&self.path)?;
        *is_announced = true;
        Ok(())
    }

    /// A part was started: its pid is another one.
    pub(super) fn renew(&self) {
        let is_announced = self
            .is_announced
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if *is_announced {
            // The old file stays where the new one cannot be written; there is nobody to tell.
            let _ = self.variables().write(&self.path);
        }
    }

    /// From now on the file is gone.
    pub(super) fn withdraw(&self) {
        let mut is_announced = self
            .is_announced
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut *is_announced) {
            let _ = fs::remove_file(&self.path);
        }
    }

    fn pid(&self, part: Part) -> String {
        let process = self
            .status
            .get(&part)
            .and_then(|status| status.borrow().process());
        process.map_or_else(String::new, |process| process.pid.to_string())
    }
}
