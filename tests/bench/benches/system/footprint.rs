//! How large the programs are, on disk and in memory.

use std::{fs, time::Duration};

use rescind_stack::Part;

use crate::{
    Only,
    measure::show,
    world::{Broker, World, release},
};

pub(crate) fn sizes(only: &Only) {
    if !only.takes(&["size."]) {
        return;
    }
    for name in [
        "rescind-adapter",
        "rescind-enforcer",
        "rescind-standin",
        "rescind-stack",
    ] {
        let bytes = fs::metadata(release().join(name)).unwrap().len();
        show("size.mb", name, bytes as f64 / 1e6, "MB", None);
    }
}

/// Resident memory of the two that are in production, connected, with nothing to do and nothing revoked.
pub(crate) async fn resident(only: &Only, broker: &Broker) {
    if !only.takes(&["rss."]) {
        return;
    }
    let world = World::start(broker, &[Part::Envoy, Part::Upstream]).await;
    // Past the start's own allocations: their pages go back within seconds, or never.
    tokio::time::sleep(Duration::from_secs(6)).await;
    for (part, case) in [
        (Part::Adapter, "rescind-adapter, idle"),
        (Part::Enforcer, "rescind-enforcer, idle"),
    ] {
        let status = fs::read_to_string(format!(
            "/proc/{}/status",
            world.stack.part(part).pid().unwrap()
        ))
        .unwrap();
        let field = |name: &str| {
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .unwrap();
            let kib: f64 = line.trim().trim_end_matches(" kB").parse().unwrap();
            kib * 1024.0 / 1e6
        };
        show("rss.mb", case, field("VmRSS:"), "MB", None);
        show("rss.anonymous_mb", case, field("RssAnon:"), "MB", None);
    }
    world.stop().await;
}
