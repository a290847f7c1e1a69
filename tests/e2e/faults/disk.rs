//! The adapter's disk: full, read-only, or another adapter's. Nothing is acknowledged that is not on it, and it goes on when
//! it can.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use rescind_stack::Part;
use tempfile::TempDir;

mod full;
mod space;

use super::{
    applied::Applied,
    cuts::sound,
    ending::ten_lists_say_nothing_new,
    kills::hub_at,
    published::Published,
    seed::{chance, identifiers, seed},
};
use crate::{
    clients::hub::{Hub, event},
    eventually::eventually,
    port::Port,
    suite::Suite,
    world::{Broker, World},
};

pub(crate) fn add(suite: &mut Suite) {
    full::add(suite);
    suite.alone(
        "a_read_only_ledger_is_served_and_goes_on_when_it_can_be_written",
        read_only,
    );
    suite.alone(
        "two_adapters_on_one_directory_are_refused_and_the_first_goes_on",
        two_adapters,
    );
}

/// The programs, among them an adapter that survives a file beyond its limit (as every process does on a full disk), and that
/// may not write what its user may not, though that be root.
fn programs(real: &Path) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["rescind-stack", "rescind-standin", "rescind-enforcer"] {
        symlink(real.join(name), folder.path().join(name)).unwrap();
    }
    let adapter = real.join("rescind-adapter");
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    let lowered = if is_root {
        "setpriv --bounding-set=-dac_override,-dac_read_search "
    } else {
        ""
    };
    let script = format!(
        "#!/bin/sh\ntrap '' XFSZ\nexec {lowered}{} \"$@\"\n",
        adapter.display()
    );
    let text = folder.path().join("script");
    fs::write(&text, script).unwrap();
    // Not by this process: a child that another thread starts meanwhile would for a moment hold the file open for writing, and
    // nobody can run it then (ETXTBSY).
    let installed = Command::new("install")
        .args(["-m", "755"])
        .args([text, folder.path().join("rescind-adapter")])
        .status();
    assert!(installed.unwrap().success());
    folder
}

/// The folder that the programs lie in.
fn real_programs() -> PathBuf {
    let mut folder = std::env::current_exe().unwrap();
    folder.pop();
    if folder.ends_with("deps") {
        folder.pop();
    }
    folder
}

/// What the adapter says of its ledger.
async fn degraded(world: &World) -> Option<String> {
    let (_, page) = world.admin("ADAPTER_ADMIN_URL", "/readyz").await;
    let line = page
        .lines()
        .find(|line| line.starts_with("degraded: ledger: "));
    line.map(str::to_owned)
}

async fn read_only(broker: &Broker) {
    let mut chance = chance(seed("read-only"));
    let hub_url = broker.fresh_url();
    let programs = programs(&real_programs());
    let world = World::start_from(|builder| {
        builder
            .hub(&hub_url)
            .binaries(programs.path())
            .only(&[Part::Standin, Part::Adapter])
            .config(Part::Adapter, hub_at(&hub_url))
    })
    .await;
    let mut published = Published::from_iter(identifiers(&mut chance, 100));
    world
        .publish(&published.iter().cloned().collect::<Vec<_>>())
        .await;
    let before = world
        .holds_exactly(&published, Duration::from_secs(60))
        .await;
    world.end(Part::Adapter).await;

    let ledger = world.state().join("adapter");
    set_modes(&ledger, 0o500, 0o400);
    world.begin(Part::Adapter).await;
    let ask = || degraded(&world);
    eventually(Duration::from_secs(30), ask, Option::is_some).await;
    let log = world.log(Part::Adapter);
    let line = "The ledger cannot be written to: it serves what it holds";
    assert!(log.contains(line), "{log}");
    let served = Applied::everything(&world).await;
    served.is_exactly(&published);
    assert_eq!(served.sequence(), before.sequence());

    // What comes meanwhile is shown nowhere before it can be kept.
    let more = identifiers(&mut chance, 50);
    world.publish(&more).await;
    let hub = Hub::connect(&world.var("AMQP_URL")).await;
    hub.publish(&event("JWT", &more[0])).await;
    let cannot_commit = async || {
        world
            .log(Part::Adapter)
            .contains("nothing is acknowledged until it works")
    };
    eventually(Duration::from_secs(30), cannot_commit, |said| *said).await;
    Applied::everything(&world).await.is_exactly(&published);

    set_modes(&ledger, 0o700, 0o600);
    published.extend(more);
    let applied = world
        .holds_exactly(&published, Duration::from_secs(30))
        .await;
    assert_eq!(applied.sequence(), published.len() as u64);
    good_again(&world).await;
    ten_lists_say_nothing_new(&world).await;
    world.stop().await;
}

/// Waits until the adapter says no more that its ledger is degraded. After a failure its upkeep rests for 30 s.
async fn good_again(world: &World) {
    let ask = || degraded(world);
    eventually(Duration::from_secs(45), ask, Option::is_none).await;
}

/// Changes who may write a directory and what is in it.
fn set_modes(directory: &Path, own: u32, files: u32) {
    // A file in a directory that is closed is reached all the same by its owner; in this order both ways work.
    for file in fs::read_dir(directory).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            fs::set_permissions(path, Permissions::from_mode(files)).unwrap();
        }
    }
    fs::set_permissions(directory, Permissions::from_mode(own)).unwrap();
}

async fn two_adapters(broker: &Broker) {
    let hub_url = broker.fresh_url();
    let world = World::start_from(|builder| {
        builder
            .hub(&hub_url)
            .only(&[Part::Standin, Part::Adapter])
            .config(Part::Adapter, hub_at(&hub_url))
    })
    .await;
    let (xds, admin) = (world.port("XDS_ADDR"), world.port("ADAPTER_ADMIN_URL"));
    // It binds them before it opens its ledger.
    let free = [(); 2].map(|()| Port::free());
    let [other_xds, other_admin] = free.each_ref().map(|port| port.number().to_string());
    let config = world.edited_config(Part::Adapter, |text| {
        text.replace(&xds, &other_xds).replace(&admin, &other_admin)
    });
    let second = tokio::process::Command::new(world.binary("rescind-adapter"))
        .arg("--config")
        .arg(config)
        .kill_on_drop(true)
        .output();
    let second = tokio::time::timeout(Duration::from_secs(20), second)
        .await
        .expect("it ends by itself")
        .unwrap();
    let said = String::from_utf8_lossy(&[second.stdout, second.stderr].concat()).into_owned();
    assert_eq!(second.status.code(), Some(1), "{said}");
    let ledger = fs::canonicalize(world.state()).unwrap().join("adapter");
    let line = format!(
        "ledger directory {} is in use by another process",
        ledger.display()
    );
    assert!(said.contains(&line), "{said}");
    let pid = world.pid(Part::Adapter).unwrap().to_string();
    assert!(said.contains(&pid), "{said}");

    let published = Published::from_iter(identifiers(&mut chance(1), 10));
    world
        .publish(&published.iter().cloned().collect::<Vec<_>>())
        .await;
    world
        .holds_exactly(&published, Duration::from_secs(60))
        .await;
    sound(&world).await;
    world.stop().await;
}
