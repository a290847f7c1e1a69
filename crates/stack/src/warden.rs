//! A small process that outlives the stack by a moment: when the stack is gone without a word, it ends the parts.
//!
//! It listens to its standard input. A line `keep <group>` or `forget <group>` changes what it would end; the end of the
//! input is the end of the stack. Then it also removes the file `env`, which would tell of a stack that is no more. So
//! nothing is left after a `kill -9`, nor after a test that the runner has killed.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, Write},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result};

use crate::process;

/// The stack's end of it. When this is dropped, the warden ends what it was not told to forget, and then itself.
#[derive(Debug)]
pub(crate) struct Warden {
    child: Child,
    input: Option<ChildStdin>,
}

impl Warden {
    /// Starts one from the program that has the hidden command `warden`.
    pub(crate) fn start(program: &Path, env: &Path) -> Result<Self> {
        let mut child = Command::new(program)
            .arg("warden")
            .arg("--env")
            .arg(env)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let input = child.stdin.take();
        Ok(Self { child, input })
    }

    pub(crate) fn keep(&mut self, group: i32) {
        self.tell(&format!("keep {group}\n"));
    }

    pub(crate) fn forget(&mut self, group: i32) {
        self.tell(&format!("forget {group}\n"));
    }

    /// A warden that is gone cannot be helped; the journal remains.
    fn tell(&mut self, line: &str) {
        if let Some(input) = &mut self.input {
            let _ = input.write_all(line.as_bytes());
        }
    }
}

impl Drop for Warden {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
    }
}

/// The warden's own life: follows `input` to its end, then removes `env` and ends what is kept.
pub async fn watch(input: impl BufRead, env: &Path) {
    let kept = follow(input);
    let _ = fs::remove_file(env);
    let ends = kept
        .into_iter()
        .filter(|&group| !process::group_members(group).is_empty())
        .map(|group| tokio::spawn(process::end_group(group, Duration::from_secs(3))));
    for end in ends.collect::<Vec<_>>() {
        let _ = end.await;
    }
}

fn follow(input: impl BufRead) -> BTreeSet<i32> {
    let mut kept = BTreeSet::new();
    for line in input.lines().map_while(Result::ok) {
        match line
            .split_once(' ')
            .map(|(verb, group)| (verb, group.parse()))
        {
            Some(("keep", Ok(group))) => kept.insert(group),
            Some(("forget", Ok(group))) => kept.remove(&group),
            _ => false,
        };
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_not_forgotten_is_kept() {
        let kept = follow("keep 10\nkeep 20\nforget 10\nkeep x\nkeep 30\n".as_bytes());
        assert_eq!(kept, BTreeSet::from([20, 30]));
    }

    #[tokio::test]
    async fn at_the_end_of_the_input_the_kept_groups_and_the_env_file_are_gone() {
        let mut child = Command::new("/bin/sleep")
            .arg("600")
            .process_group(0)
            .spawn()
            .unwrap();
        let env = tempfile::NamedTempFile::new().unwrap().into_temp_path();
        watch(format!("keep {}\n", child.id()).as_bytes(), &env).await;
        assert!(!env.exists());
        assert!(!child.wait().unwrap().success());
    }
}
