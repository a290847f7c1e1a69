//! `kill -9` in the middle of commits, and of the joining of rows: what `append` had returned for is there, whole.
//!
//! 20 rounds; 200 with `RESCIND_SOAK` set. `RESCIND_CRASH_SEED` plays the moments of a run again.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use rescind_revocation::Revocation;
use tempfile::TempDir;

use super::revocations::known;
use crate::{Cursor, Ledger, Resolved};

const DIRECTORY: &str = "RESCIND_LEDGER_CRASH_DIRECTORY";

/// The group that follows `head`: of another size each time, every entry named by its sequence.
fn group_after(head: u64) -> Vec<Revocation> {
    let size = head % 7 + 1;
    (head + 1..=head + size)
        .map(|sequence| known(&format!("token-{sequence}"), sequence))
        .collect()
}

/// Not a test of its own: the process that is killed. It prints each head that `append` has returned.
#[test]
fn child() {
    let Some(directory) = env::var_os(DIRECTORY) else {
        return;
    };
    let (mut ledger, opening) = Ledger::open(directory).unwrap();
    let mut head = opening.head;
    let mut out = std::io::stdout().lock();
    loop {
        head = ledger.append(&group_after(head.sequence)).unwrap().head;
        ledger.tidy().unwrap();
        if writeln!(out, "\nhead {head}")
            .and_then(|()| out.flush())
            .is_err()
        {
            return;
        }
    }
}

fn start(directory: &Path) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "tests::crash::child", "--nocapture"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn what_append_returned_for_survives_kill_9() {
    let soak = env::var_os("RESCIND_SOAK").is_some();
    let seed = match env::var("RESCIND_CRASH_SEED") {
        Ok(seed) => seed.parse().expect("RESCIND_CRASH_SEED is a number"),
        Err(_) => rand::random(),
    };
    println!("RESCIND_CRASH_SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let directory = TempDir::new().unwrap();
    let mut promised: Vec<Cursor> = Vec::new();
    for round in 0..if soak { 200 } else { 20 } {
        let mut child = start(directory.path());
        let heads = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .filter_map(|line| line.unwrap().strip_prefix("head ")?.parse().ok());
        // Killed once it has promised a few: somewhere within the next commit, another place each time.
        let wanted = rng.random_range(1..40);
        let mut heads = heads.inspect(|head| promised.push(*head));
        assert_eq!(heads.by_ref().take(wanted).count(), wanted);
        (0..rng.random_range(0..200_000u32)).for_each(|n| {
            std::hint::black_box(n);
        });
        child.kill().unwrap();
        child.wait().unwrap();
        // What it had written to the pipe before it died was promised too.
        heads.for_each(drop);

        let (ledger, opening) = Ledger::open(directory.path()).unwrap();
        assert_eq!(opening.damage, [], "round {round}");
        let last = promised.last().unwrap().sequence;
        assert!(opening.head.sequence >= last, "round {round}");
        let live = ledger.reader().read(0, u64::MAX, usize::MAX);
        let held: Vec<_> = live.iter().map(|entry| entry.sequence).collect();
        assert_eq!(held, Vec::from_iter(1..=opening.head.sequence));
        let wrong = live.iter().find(|entry| {
            entry.revocation.identifier().as_str() != format!("token-{}", entry.sequence)
        });
        assert_eq!(wrong, None);
        for cursor in &promised {
            assert_eq!(
                ledger.reader().place(*cursor),
                Resolved::At(cursor.sequence)
            );
        }
    }
}
