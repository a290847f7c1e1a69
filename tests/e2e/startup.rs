//! Starting with what is wrong: a clear line, the right exit code, and nothing half-started.

use std::{path::PathBuf, process::Output, time::Duration};

use rescind_stack::Part;
use tokio::{net::TcpListener, process::Command};

use crate::{
    eventually::eventually,
    suite::Suite,
    world::{Broker, World},
};

pub(crate) fn add(suite: &mut Suite) {
    suite.alone(
        "a_wrong_configuration_names_key_and_line_and_exits_2",
        wrong_configuration,
    );
    suite.alone("a_taken_port_is_named_and_exits_1", taken_port);
    suite.alone(
        "a_wrong_broker_password_is_one_clear_line_and_the_process_goes_on",
        wrong_password,
    );
    suite.alone(
        "a_disabled_hub_is_said_and_the_adapter_serves",
        disabled_hub,
    );
}

/// Runs a part by hand with a configuration changed by `edit`, until it ends by itself.
async fn run(
    world: &World,
    part: Part,
    edit: impl Fn(String) -> String,
    more: &[&str],
) -> (PathBuf, Output) {
    let path = world.edited_config(part, edit);
    let binary = world.binary(if part == Part::Adapter {
        "rescind-adapter"
    } else {
        "rescind-enforcer"
    });
    let output = Command::new(binary)
        .arg("--config")
        .arg(&path)
        .args(more)
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(Duration::from_secs(20), output)
        .await
        .expect("it ends by itself")
        .unwrap();
    (path, output)
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

async fn wrong_configuration(broker: &Broker) {
    let world = World::start(broker).await;
    for part in [Part::Adapter, Part::Enforcer] {
        let (_, output) = run(&world, part, |text| text, &["--check"]).await;
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    }

    let unknown = |text: String| text.replacen("format", "fromat", 1);
    let (path, output) = run(&world, Part::Adapter, unknown, &[]).await;
    let line = 1 + std::fs::read_to_string(&path)
        .unwrap()
        .lines()
        .position(|line| line.contains("fromat"))
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said_of_it = said(&output);
    for part in [&format!(":{line}"), "fromat", "format"] {
        assert!(said_of_it.contains(part), "{part}: {said_of_it}");
    }

    let (_, output) = run(
        &world,
        Part::Enforcer,
        |text| text + "\n[enforcer.authService]\nport = \"x\"\n",
        &["--check"],
    )
    .await;
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));

    let missing = Command::new(world.binary("rescind-adapter"))
        .args(["--config", "/nowhere/adapter.toml"])
        .output();
    let missing = missing.await.unwrap();
    assert_eq!(missing.status.code(), Some(2));
    assert!(
        said(&missing).contains("/nowhere/adapter.toml"),
        "{}",
        said(&missing)
    );
    let usage = Command::new(world.binary("rescind-adapter"))
        .arg("--nonsense")
        .output()
        .await
        .unwrap();
    assert_eq!(usage.status.code(), Some(2));
    world.stop().await;
}

async fn taken_port(broker: &Broker) {
    let world = World::start(broker).await;
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let own = world.port("XDS_ADDR");
    let elsewhere = tempfile::tempdir().unwrap();
    let directory = elsewhere.path().to_str().unwrap().to_owned();
    let edit = |text: String| with_ledger_in(&directory, &text).replace(&own, &port);
    let (_, output) = run(&world, Part::Adapter, edit, &[]).await;
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains(&port), "{}", said(&output));

    // Two adapters on one ledger: the second is refused and says why.
    let (_, output) = run(&world, Part::Adapter, |text| text, &[]).await;
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    world.stop().await;
}

async fn wrong_password(broker: &Broker) {
    let wrong = broker.fresh_url().replacen(":guest@", ":wr0ng-secret@", 1);
    // An enforcer would wait for a list, and the list waits for the subscription.
    let world = World::start_with(broker, |builder| {
        builder
            .config(Part::Adapter, hub_config(&wrong))
            .only(&[Part::Standin])
    })
    .await;
    world.begin(Part::Adapter).await;
    let ask = async || world.log(Part::Adapter);
    let log = eventually(Duration::from_secs(20), ask, |log| {
        log.contains("ACCESS_REFUSED") || log.contains("403")
    })
    .await;
    assert!(
        !log.contains("wr0ng-secret"),
        "the password is not printed: {log}"
    );

    assert!(!log.contains("lapin"), "one line for each attempt: {log}");

    // Degraded, and said so, but in service: a gateway with an older set is better served than one without an adapter.
    let answer = world.admin("ADAPTER_ADMIN_URL", "/readyz").await;
    assert_eq!(answer.0, 200, "{}", answer.1);
    assert!(answer.1.contains("event hub"), "{}", answer.1);
    world.stop().await;
}

async fn disabled_hub(broker: &Broker) {
    let world = World::start_with(broker, |builder| {
        builder.config(Part::Adapter, "[controlPlane]\nenabled = false\n")
    })
    .await;
    let log = world.log(Part::Adapter);
    let line = "controlPlane.enabled is false: neither event hub nor list is read";
    assert!(log.contains(line), "{log}");
    let token = world.control_plane().token().await;
    assert_eq!(world.gateway().with_token(&token).await.status, 200);
    world.stop().await;
}

/// The adapter's setting for where it listens for events.
fn hub_config(url: &str) -> String {
    format!("[controlPlane.brokerConnectionParameters]\neventListeningEndpoints = [\"{url}\"]\n")
}

fn with_ledger_in(directory: &str, text: &str) -> String {
    let is_ledger = |line: &&str| line.starts_with("directory");
    assert_eq!(text.lines().filter(is_ledger).count(), 1, "{text}");
    let lines = text.lines().map(|line| {
        if is_ledger(&line) {
            format!("directory = \"{directory}\"")
        } else {
            line.to_owned()
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}
