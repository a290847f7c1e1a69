//! Which processes this stack has started, on disk and at the warden, so that none outlives it unnoticed.
//!
//! The file is for the next start: after a `kill -9` it finds what is left by pid and start time. The warden is for now.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::Result;
use nix::sys::signal::Signal;

use crate::{
    files,
    parts::Part,
    process::{self, ProcessId},
    warden::Warden,
};

/// The name of the variable by which a process is known to belong to a stack; its value is the state folder.
pub(crate) const MARK: &str = "STACK_OF_RESCIND";

/// The processes that run now, each the leader of a group of its own.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    running: Mutex<Running>,
}

#[derive(Debug)]
struct Running {
    leaders: BTreeMap<Part, ProcessId>,
    /// None once the stack has ended.
    warden: Option<Warden>,
}

impl Journal {
    pub(crate) fn begin(state: &Path, warden: Warden) -> Self {
        Self {
            path: path(state),
            running: Mutex::new(Running {
                leaders: BTreeMap::new(),
                warden: Some(warden),
            }),
        }
    }

    /// A part has been started. One that is started while the stack ends is ended too.
    pub(crate) fn add(&self, part: Part, leader: ProcessId) {
        self.change(|running| match &mut running.warden {
            Some(warden) => {
                running.leaders.insert(part, leader);
                warden.keep(leader.pid);
            }
            None => process::signal_group(leader.pid, Signal::SIGKILL),
        });
    }

    pub(crate) fn remove(&self, part: Part) {
        self.change(|running| {
            if let (Some(leader), Some(warden)) =
                (running.leaders.remove(&part), &mut running.warden)
            {
                warden.forget(leader.pid);
            }
        });
    }

    /// The end of the stack: kills what still runs, lets the warden go and removes the file.
    pub(crate) fn close(&self) {
        let (leaders, warden) = {
            let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            (std::mem::take(&mut running.leaders), running.warden.take())
        };
        for leader in leaders.into_values() {
            process::signal_group(leader.pid, Signal::SIGKILL);
        }
        drop(warden);
        let _ = fs::remove_file(&self.path);
    }

    fn change(&self, change: impl FnOnce(&mut Running)) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut running);
        if running.warden.is_none() {
            return;
        }
        let lines: String = running
            .leaders
            .iter()
            .map(|(part, leader)| line(*part, *leader))
            .collect();
        // Losing this file costs the next start its knowledge of leftovers, nothing else.
        let _ = files::replace(&self.path, &lines);
    }
}

/// Ends what a stack that was killed left behind in `state`, and tells which parts that were.
pub(crate) async fn end_leftovers(state: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(path(state)).unwrap_or_default();
    let mark = mark(state);
    let mut ended = Vec::new();
    for (name, leader) in text.lines().filter_map(parse) {
        if is_ours(leader, &mark) {
            process::end_group(leader.pid, Duration::from_secs(3)).await;
            ended.push(format!("{name} (pid {})", leader.pid));
        }
    }
    let _ = fs::remove_file(path(state));
    Ok(ended)
}

/// The leader lives, or others of its group do that carry our mark: the group's number cannot be used again while it has
/// a member, but may have been used again since.
fn is_ours(leader: ProcessId, mark: &str) -> bool {
    leader.is_alive()
        || process::group_members(leader.pid)
            .iter()
            .any(|member| process::has_in_environment(member.pid, mark))
}

/// `NAME=value`, as a part of this stack has it in its environment.
pub(crate) fn mark(state: &Path) -> String {
    format!("{MARK}={}", state.display())
}

fn path(state: &Path) -> PathBuf {
    state.join("processes")
}

fn line(part: Part, leader: ProcessId) -> String {
    format!("{part} {} {}\n", leader.pid, leader.started)
}

fn parse(line: &str) -> Option<(&str, ProcessId)> {
    let mut fields = line.split(' ');
    let name = fields.next()?;
    let pid = fields.next()?.parse().ok()?;
    let started = fields.next()?.parse().ok()?;
    Some((name, ProcessId { pid, started }))
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;

    use super::*;

    fn sleeper(state: &Path) -> std::process::Child {
        std::process::Command::new("/bin/sleep")
            .arg("600")
            .env(MARK, state)
            .process_group(0)
            .spawn()
            .unwrap()
    }

    #[tokio::test]
    async fn what_was_left_is_ended_and_told() {
        let state = tempfile::tempdir().unwrap();
        let mut child = sleeper(state.path());
        let id = ProcessId::of(child.id() as i32).unwrap();
        fs::write(path(state.path()), line(Part::Adapter, id)).unwrap();

        let ended = end_leftovers(state.path()).await.unwrap();
        assert_eq!(ended, [format!("adapter (pid {})", id.pid)]);
        assert!(!id.is_alive());
        assert!(!path(state.path()).exists());
        child.wait().unwrap();
    }

    #[tokio::test]
    async fn another_process_with_the_same_pid_is_left_alone() {
        let state = tempfile::tempdir().unwrap();
        let mut child = sleeper(Path::new("/elsewhere"));
        let id = ProcessId::of(child.id() as i32).unwrap();
        let earlier = ProcessId {
            started: id.started - 1,
            ..id
        };
        fs::write(path(state.path()), line(Part::Adapter, earlier)).unwrap();

        assert!(end_leftovers(state.path()).await.unwrap().is_empty());
        assert!(id.is_alive());
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
