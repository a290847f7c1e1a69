//! The machine that the figures come from.

use std::fs;

use serde::{Deserialize, Serialize};

/// What a reader must know of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's model.
    pub cpu: String,
    /// Processors that this process may use.
    pub cores: usize,
    /// Memory, in GiB.
    pub memory_gib: f64,
    /// The kernel's release.
    pub kernel: String,
    /// The load of one minute before the run: what else was going on.
    pub load_before: f64,
    /// When the run began, UTC.
    pub began: String,
    /// The commit that was measured, with `+` where there were changes beside it; empty where git does not say.
    pub commit: String,
}

impl Machine {
    /// This one, now.
    pub fn look() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let kib: f64 = field(&read("/proc/meminfo"), "MemTotal")
            .and_then(|text| text.trim_end_matches("kB").trim().parse().ok())
            .unwrap_or(0.0);
        let load = read("/proc/loadavg");
        Self {
            cpu: field(&read("/proc/cpuinfo"), "model name")
                .unwrap_or_else(|| "unknown".to_owned()),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_gib: (kib / 104_857.6).round() / 10.0,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            load_before: load
                .split(' ')
                .next()
                .and_then(|text| text.parse().ok())
                .unwrap_or(0.0),
            began: jiff::Timestamp::now()
                .strftime("%Y-%m-%d %H:%M")
                .to_string(),
            commit: commit(),
        }
    }

    /// All of it in one line.
    pub fn line(&self) -> String {
        let Self {
            cpu,
            cores,
            memory_gib,
            kernel,
            load_before,
            began,
            commit,
        } = self;
        let commit = match commit.as_str() {
            "" => String::new(),
            commit => format!(", commit {commit}"),
        };
        format!(
            "{cpu}, {cores} cores, {memory_gib} GiB, Linux {kernel}, load before the run {load_before}, {began} UTC{commit}"
        )
    }
}

/// The value of the first `name : value` in a file of `/proc`.
fn field(text: &str, name: &str) -> Option<String> {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.trim() == name)
        .map(|(_, value)| value.trim().to_owned())
}

fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = std::process::Command::new("git")
            .args(arguments)
            .output()
            .ok()?;
        let text = output
            .status
            .success()
            .then(|| String::from_utf8(output.stdout).ok())?;
        text.map(|text| text.trim().to_owned())
    };
    let Some(hash) = git(&["rev-parse", "--short=10", "HEAD"]) else {
        return String::new();
    };
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]);
    match changed.is_some_and(|changes| !changes.is_empty()) {
        true => hash + "+",
        false => hash,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_whatever_blanks_stand_around_it() {
        let text = "processor\t: 0\nmodel name\t: A Processor @ 2 GHz\nmodel name\t: Another\n";
        assert_eq!(
            field(text, "model name").as_deref(),
            Some("A Processor @ 2 GHz")
        );
        assert_eq!(
            field("MemTotal:       24 kB\n", "MemTotal").as_deref(),
            Some("24 kB")
        );
        assert_eq!(field(text, "model"), None);
    }

    #[test]
    fn this_machine_has_a_name() {
        let machine = Machine::look();
        assert!(machine.cores > 0 && machine.memory_gib > 0.0, "{machine:?}");
        assert!(machine.line().contains(&machine.kernel));
    }
}
