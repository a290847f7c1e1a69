//! A disk that can be full: a file-size limit, which takes no privilege, and a small file system of its own where this user may
//! mount one.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use rand::{RngExt as _, rngs::StdRng};
use rescind_stack::Part;

use crate::world::World;

/// A disk that can be full.
#[derive(Debug)]
pub(crate) enum Disk {
    /// No file grows beyond that.
    Limited,
    /// A file system of its own.
    Mounted(Mount),
}

/// It is gone when this is dropped.
#[derive(Debug)]
pub(crate) struct Mount(PathBuf);

impl Mount {
    /// Puts a small one there. `None` where this user may not.
    pub(crate) fn small(on: &Path) -> Option<Self> {
        fs::create_dir_all(on).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=32m,mode=0700", "tmpfs"])
            .arg(on)
            .output()
            .is_ok_and(|output| output.status.success());
        mounted.then(|| Self(on.to_owned()))
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

impl Disk {
    /// Leaves room for so much by chance: a write may fail at its first byte or at any later one.
    pub(crate) fn fill(&self, world: &World, chance: &mut StdRng) {
        match self {
            Self::Limited => {
                let limit = chance.random_range(50_000..250_000);
                limit_files(world, &format!("{limit}:"));
            }
            Self::Mounted(mount) => {
                let mut filler = File::create(mount.filler()).unwrap();
                while filler.write_all(&[0; 4096]).is_ok() {}
                let room = chance.random_range(0..100_000);
                let filled = filler.metadata().unwrap().len();
                filler.set_len(filled.saturating_sub(room)).unwrap();
            }
        }
    }

    /// It is full no longer.
    pub(crate) fn make_room(&self, world: &World) {
        match self {
            // A new process has no limit.
            Self::Limited if world.pid(Part::Adapter).is_none() => {}
            Self::Limited => limit_files(world, "unlimited:"),
            Self::Mounted(mount) => fs::remove_file(mount.filler()).unwrap(),
        }
    }
}

fn limit_files(world: &World, limit: &str) {
    let pid = world.pid(Part::Adapter).unwrap().to_string();
    let status = Command::new("prlimit")
        .args(["--pid", &pid, &format!("--fsize={limit}")])
        .status();
    assert!(status.unwrap().success());
}
