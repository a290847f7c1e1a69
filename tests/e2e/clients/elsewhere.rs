//! Another machine to run one of our programs on: with clocks that are set wrong, or after a reboot.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use rescind_stack::{Part, StackBuilder};
use tempfile::TempDir;
use uuid::Uuid;

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/e2e/elsewhere.c");

/// A library that is preloaded into a part, and what it is to pretend. A change counts from the part's next start.
#[derive(Debug)]
pub(crate) struct Elsewhere {
    folder: TempDir,
}

impl Elsewhere {
    /// The machine as it is.
    pub(crate) fn new() -> Self {
        let elsewhere = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-o"])
            .arg(elsewhere.library())
            .arg(SOURCE)
            .status()
            .unwrap();
        assert!(compiled.success());
        elsewhere.pretend(0, 0, Path::new("-"));
        elsewhere
    }

    /// A stack whose `part` runs there.
    pub(crate) fn hold(&self, builder: StackBuilder, part: Part) -> StackBuilder {
        let text = |path: PathBuf| path.to_str().unwrap().to_owned();
        builder
            .variable(part, "LD_PRELOAD", &text(self.library()))
            .variable(part, "ELSEWHERE", &text(self.settings()))
    }

    /// The wall clock is wrong by so many seconds.
    pub(crate) fn set_clock(&self, wrong_by: i64) {
        self.pretend(wrong_by, 0, Path::new("-"));
    }

    /// The machine was started anew a moment ago.
    pub(crate) fn reboot(&self) {
        let id = self.folder.path().join("boot_id");
        fs::write(&id, format!("{}\n", Uuid::new_v4())).unwrap();
        let uptime = fs::read_to_string("/proc/uptime").unwrap();
        let uptime: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
        self.pretend(0, 30 - uptime as i64, &id);
    }

    fn pretend(&self, wall: i64, boottime: i64, boot_id: &Path) {
        let text = format!("{wall} {boottime} {}\n", boot_id.display());
        fs::write(self.settings(), text).unwrap();
    }

    fn library(&self) -> PathBuf {
        self.folder.path().join("elsewhere.so")
    }

    fn settings(&self) -> PathBuf {
        self.folder.path().join("settings")
    }
}
