//! The adapter's disk: full, read-only, or another adapter's. Nothing is acknowledged that is not on it, and it goes on when
//! it can.
//!
//! A full disk is a file-size limit, which takes no privilege, and a small file system of its own where this user may mount
//! one.

use std::{
    fs::{self, File, Permissions},
    io::Write,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use rescind_stack::Part;
use tempfile::TempDir;

use super::{
    applied::{Applied, ENTRIES},
    cuts::sound,
    durable::{config_with_queue, subscribed},
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

/// Most deliveries that the adapter may hold unacknowledged.
const PREFETCH: f64 = 1_000.0;

const BATCH: usize = 1_000;

/// Far more than fits.
const MOST_BATCHES: usize = 200;

pub(crate) fn add(suite: &mut Suite) {
    suite.alone(
        "on_a_full_disk_nothing_is_acknowledged_and_nothing_is_lost_limit",
        limit,
    );
    suite.alone(
        "on_a_full_disk_nothing_is_acknowledged_and_nothing_is_lost_file_system",
        file_system,
    );
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

/// A disk that can be full.
enum Disk {
    /// No file grows beyond that.
    Limited,
    /// A file system of its own.
    Mounted(Mount),
}

struct Mount(PathBuf);

impl Mount {
    /// `None` where this user may not.
    fn small(on: &Path) -> Option<Self> {
        fs::create_dir_all(on).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=16m,mode=0700", "tmpfs"])
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
    fn fill(&self, world: &World) {
        match self {
            // Less than the ledger takes, and more than the log will.
            Self::Limited => limit_files(world, "200000:"),
            Self::Mounted(mount) => {
                let mut filler = File::create(mount.filler()).unwrap();
                while filler.write_all(&[0; 4096]).is_ok() {}
            }
        }
    }

    fn make_room(&self, world: &World) {
        match self {
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

async fn limit(broker: &Broker) {
    full(broker, "limit", |_| Some(Disk::Limited)).await;
}

async fn file_system(broker: &Broker) {
    full(broker, "file-system", |directory| {
        Mount::small(directory).map(Disk::Mounted)
    })
    .await;
}

#[allow(
    clippy::print_stderr,
    reason = "who reads the result must know what it stands on"
)]
async fn full(broker: &Broker, name: &str, disk: impl FnOnce(&Path) -> Option<Disk>) {
    let mut chance = chance(seed(name));
    let (hub_url, nowhere) = (broker.fresh_url(), Port::free());
    let queue = format!("rescind-disk-{name}");
    let programs = programs(&real_programs());
    let world = World::start_from(|builder| {
        builder
            .hub(&hub_url)
            .binaries(programs.path())
            .only(&[])
            .config(Part::Adapter, config_with_queue(&hub_url, &queue, &nowhere))
    })
    .await;
    let Some(disk) = disk(&world.state().join("adapter")) else {
        eprintln!(
            "this user may not mount: the limit to the size of files alone stood in for a full disk"
        );
        world.stop().await;
        return;
    };
    world.begin(Part::Adapter).await;
    let hub = subscribed(&world).await;
    let mut published = Published::new();
    let mut publish = async |published: &mut Published| {
        let more = identifiers(&mut chance, BATCH);
        hub.publish_all(more.iter().map(|id| event("JWT", id)))
            .await;
        published.extend(more);
    };
    publish(&mut published).await;
    world
        .holds_exactly(&published, Duration::from_secs(20))
        .await;

    disk.fill(&world);
    let mut batches = 0;
    while degraded(&world).await.is_none() {
        publish(&mut published).await;
        batches += 1;
        assert!(batches < MOST_BATCHES, "it never became full");
    }
    publish(&mut published).await;
    publish(&mut published).await;
    let (status, page) = world.admin("ADAPTER_ADMIN_URL", "/readyz").await;
    assert_eq!(status, 200, "{page}");
    let log = world.log(Part::Adapter);
    let line = "Cannot commit: nothing is acknowledged until it works";
    assert!(log.contains(line), "{log}");
    // What is not on disk is with the broker, or in the adapter's hands and not acknowledged. It goes on trying: both numbers
    // are of one moment where nothing was committed between.
    let both = async || {
        let held = world.metric(ENTRIES).await;
        let waiting = f64::from(hub.waiting(&queue).await);
        (held, waiting, world.metric(ENTRIES).await)
    };
    let stood = |(before, _, after): &(f64, f64, f64)| before == after;
    let (held, waiting, _) = eventually(Duration::from_secs(30), both, stood).await;
    let missing = published.len() as f64 - held;
    assert!(
        waiting <= missing && missing - PREFETCH <= waiting,
        "{} published, {held} held, {waiting} wait",
        published.len()
    );
    Applied::everything(&world).await.is_part_of(&published);

    disk.make_room(&world);
    let applied = world
        .holds_exactly(&published, Duration::from_secs(30))
        .await;
    good_again(&world).await;

    // Killed in the middle of it: the broker brings what was not acknowledged.
    disk.fill(&world);
    while degraded(&world).await.is_none() {
        publish(&mut published).await;
        batches += 1;
        assert!(batches < MOST_BATCHES, "it never became full again");
    }
    world.kill_9_for_good(Part::Adapter).await;
    if matches!(disk, Disk::Mounted(_)) {
        disk.make_room(&world);
    }
    world.begin(Part::Adapter).await;
    let again = world
        .holds_exactly(&published, Duration::from_secs(30))
        .await;
    assert!(again.sequence() > applied.sequence());
    world.stop().await;
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
        .holds_exactly(&published, Duration::from_secs(10))
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
    world
        .holds_exactly(&published, Duration::from_secs(30))
        .await;
    good_again(&world).await;
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
        .holds_exactly(&published, Duration::from_secs(10))
        .await;
    sound(&world).await;
    world.stop().await;
}
