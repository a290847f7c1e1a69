//! A stack of one small part: what supervision promises, without broker and Envoy.

use std::{fs, path::Path, time::Duration};

use rescind_stack::{Part, Stack, StackBuilder, Status};

fn upstream_alone(state: &Path) -> StackBuilder {
    Stack::builder()
        .state(state)
        .free_ports()
        .only(&[Part::Upstream])
}

fn env_file(state: &Path) -> String {
    fs::read_to_string(state.join("env")).unwrap_or_default()
}

#[tokio::test]
async fn env_appears_when_all_is_ready_and_is_gone_after_the_stop() {
    let state = tempfile::tempdir().unwrap();
    let stack = upstream_alone(state.path()).start().await.unwrap();
    assert!(env_file(state.path()).contains("API_URL='https://localhost:"));
    let process = stack.part(Part::Upstream).process().unwrap();
    assert!(process.is_alive());

    stack.stop().await;
    assert!(!process.is_alive());
    for gone in ["env", "lock", "processes"] {
        assert!(!state.path().join(gone).exists(), "{gone}");
    }
}

#[tokio::test]
async fn a_part_that_crashes_is_started_again_and_a_line_says_so() {
    let state = tempfile::tempdir().unwrap();
    let stack = upstream_alone(state.path()).start().await.unwrap();
    let part = stack.part(Part::Upstream);
    let first = part.process().unwrap();
    part.crash().await;
    part.ready_within(Duration::from_secs(5)).await.unwrap();
    assert_ne!(part.process().unwrap(), first);

    let said = fs::read_to_string(state.path().join("logs/stack.log")).unwrap();
    let line = "upstream was ended by SIGKILL; it is started again in 0.5 s";
    assert!(said.contains(line), "{said}");
}

#[tokio::test]
async fn a_part_that_a_test_kills_stays_down_until_it_is_started() {
    let state = tempfile::tempdir().unwrap();
    let stack = upstream_alone(state.path()).start().await.unwrap();
    let part = stack.part(Part::Upstream);
    part.kill9().await;
    assert_eq!(part.status(), Status::Down);
    assert_eq!(part.pid(), None);
    part.start().await.unwrap();
    assert!(matches!(part.status(), Status::Ready(_)));
}

#[tokio::test]
async fn dropping_a_stack_leaves_no_process() {
    let state = tempfile::tempdir().unwrap();
    let stack = upstream_alone(state.path()).start().await.unwrap();
    let process = stack.part(Part::Upstream).process().unwrap();
    drop(stack);
    assert!(!process.is_alive());
    assert!(!state.path().join("env").exists());
}

#[tokio::test]
async fn a_second_stack_in_the_same_folder_is_refused_with_the_pid_of_the_first() {
    let state = tempfile::tempdir().unwrap();
    let _first = upstream_alone(state.path()).start().await.unwrap();
    let error = upstream_alone(state.path()).start().await.unwrap_err();
    let expected = format!("a stack runs here already, pid {}", std::process::id());
    assert!(error.to_string().contains(&expected), "{error:#}");
    assert!(!env_file(state.path()).is_empty());
}

#[tokio::test]
async fn a_stack_that_is_killed_leaves_nothing_that_the_next_one_stumbles_over() {
    let state = tempfile::tempdir().unwrap();
    let stack = upstream_alone(state.path()).start().await.unwrap();
    let process = stack.part(Part::Upstream).process().unwrap();
    let journal = fs::read_to_string(state.path().join("processes")).unwrap();
    // As after a kill -9: the process lives, the lock is free, and the journal tells of it.
    let other = tempfile::tempdir().unwrap();
    fs::write(other.path().join("processes"), journal).unwrap();

    let next = upstream_alone(other.path()).start().await.unwrap();
    assert!(!process.is_alive());
    next.stop().await;
}
