//! Processes as the kernel shows them: who lives, since when, and in which group.
//!
//! A pid alone proves nothing, since pids are used again: a process is named by its pid *and* the tick at which it began.

use std::{
    fs,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

/// One process, told apart from any later one that gets the same pid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProcessId {
    /// The number that the kernel gave it.
    pub pid: i32,
    /// Clock ticks from the boot to its start (field 22 of `/proc/<pid>/stat`).
    pub started: u64,
}

/// What `/proc/<pid>/stat` says of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stat {
    state: char,
    group: i32,
    started: u64,
}

impl ProcessId {
    /// Names the process that has `pid` now.
    pub fn of(pid: i32) -> Option<Self> {
        let started = stat(pid)?.started;
        Some(Self { pid, started })
    }

    /// Whether this very process runs. One that has ended and waits to be reaped does not.
    pub fn is_alive(self) -> bool {
        stat(self.pid).is_some_and(|stat| stat.started == self.started && !is_dead(stat.state))
    }
}

/// Signals every process of a group. A group that is gone needs nothing.
pub(crate) fn signal_group(group: i32, signal: Signal) {
    let _ = killpg(Pid::from_raw(group), signal);
}

/// The living members of a process group.
pub(crate) fn group_members(group: i32) -> Vec<ProcessId> {
    let is_member =
        |pid: &i32| stat(*pid).is_some_and(|stat| stat.group == group && !is_dead(stat.state));
    all_pids()
        .filter(is_member)
        .filter_map(ProcessId::of)
        .collect()
}

/// Whether the environment that a process was started with holds this `NAME=value`.
pub(crate) fn has_in_environment(pid: i32, assignment: &str) -> bool {
    fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environment| {
        environment
            .split(|&byte| byte == 0)
            .any(|entry| entry == assignment.as_bytes())
    })
}

/// The short name of a process, as `ps` shows it.
pub(crate) fn name_of(pid: i32) -> Option<String> {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some(name.trim_end().to_owned())
}

/// Every pid of this machine that this process can see.
pub(crate) fn all_pids() -> impl Iterator<Item = i32> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// Ends a group: asks it, and after `grace` kills what is left. Returns whether it went when asked.
pub(crate) async fn end_group(group: i32, grace: Duration) -> bool {
    signal_group(group, Signal::SIGTERM);
    if is_empty_within(group, grace).await {
        return true;
    }
    kill_group(group).await;
    false
}

/// Kills a group and waits until nothing of it is left, for as long as that can take.
pub(crate) async fn kill_group(group: i32) {
    signal_group(group, Signal::SIGKILL);
    is_empty_within(group, Duration::from_secs(2)).await;
}

async fn is_empty_within(group: i32, time: Duration) -> bool {
    let deadline = Instant::now() + time;
    loop {
        if group_members(group).is_empty() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn is_dead(state: char) -> bool {
    matches!(state, 'Z' | 'X' | 'x')
}

fn stat(pid: i32) -> Option<Stat> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The name stands in brackets and may hold blanks and brackets itself, so fields are counted from the last one on.
fn parse_stat(line: &str) -> Option<Stat> {
    let (_, fields) = line.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    let group = fields.nth(1)?.parse().ok()?;
    let started = fields.nth(16)?.parse().ok()?;
    Some(Stat {
        state,
        group,
        started,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_blanks_does_not_shift_the_fields() {
        let line = "4242 (a) b) (c) S 1 4240 4240 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 0 0";
        assert_eq!(
            parse_stat(line),
            Some(Stat {
                state: 'S',
                group: 4240,
                started: 987_654
            })
        );
        assert_eq!(parse_stat("4242 (cut"), None);
    }

    #[test]
    fn this_process_is_alive_and_its_namesake_of_another_time_is_not() {
        let here = ProcessId::of(std::process::id() as i32).unwrap();
        assert!(here.is_alive());
        assert!(
            !ProcessId {
                started: here.started + 1,
                ..here
            }
            .is_alive()
        );
    }

    #[test]
    fn a_dead_child_that_nobody_reaped_is_not_alive() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let id = ProcessId::of(child.id() as i32).unwrap();
        let deadline = Instant::now() + Duration::from_secs(5);
        while id.is_alive() && Instant::now() < deadline {
            std::thread::yield_now();
        }
        assert!(!id.is_alive());
        child.wait().unwrap();
    }
}
