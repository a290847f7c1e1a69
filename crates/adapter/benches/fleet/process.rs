//! What the kernel says of a process.

use std::{fs, time::Duration};

use nix::{
    sys::resource::{Resource, getrlimit, setrlimit},
    time::{ClockId, clock_gettime},
};

/// A process by its id.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Process(pub(crate) u32);

impl Process {
    /// Processor time of all its threads that live, in microseconds.
    pub(crate) fn cpu_us(self) -> f64 {
        let threads = fs::read_dir(format!("/proc/{}/task", self.0)).unwrap();
        let run = |thread: std::io::Result<fs::DirEntry>| -> Option<f64> {
            let text = fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
            text.split_whitespace().next()?.parse().ok()
        };
        threads.filter_map(run).sum::<f64>() / 1e3
    }

    /// Anonymous memory that is resident, in bytes.
    pub(crate) fn resident(self) -> f64 {
        self.status("RssAnon:")
    }

    /// The most that was ever resident since [`reset_peak`](Self::reset_peak), in bytes; files count too.
    pub(crate) fn peak(self) -> f64 {
        self.status("VmHWM:")
    }

    /// What is resident now, files included, in bytes.
    pub(crate) fn all_resident(self) -> f64 {
        self.status("VmRSS:")
    }

    /// The peak counts from here.
    pub(crate) fn reset_peak(self) {
        fs::write(format!("/proc/{}/clear_refs", self.0), "5").unwrap();
    }

    fn status(self, field: &str) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0)).unwrap();
        let line = status.lines().find(|line| line.starts_with(field)).unwrap();
        let kilobytes: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kilobytes * 1024.0
    }
}

/// CLOCK_MONOTONIC, which all processes share.
pub(crate) fn monotonic() -> Duration {
    Duration::from(clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap())
}

/// Each stream is a file at either end.
pub(crate) fn raise_open_files() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
}
