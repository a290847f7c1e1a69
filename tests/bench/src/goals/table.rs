//! The table of goals.

use super::{
    Bound::{self, AtLeast, AtMost, AtMostOfPeer},
    Goal, Limit,
};

const fn goal(name: &'static str, case: &'static str, bound: Bound) -> Goal {
    Goal {
        name,
        case,
        bound,
        or_of_peer: None,
        limit: None,
        peer: "",
    }
}

impl Goal {
    const fn limit(self, value: f64, what: &'static str) -> Self {
        Self {
            limit: Some(Limit { value, what }),
            ..self
        }
    }

    const fn peer(self, peer: &'static str) -> Self {
        Self { peer, ..self }
    }

    const fn or_of_peer(self, ratio: f64) -> Self {
        Self {
            or_of_peer: Some(ratio),
            ..self
        }
    }
}

/// Every goal, the enforcer's first. Limits were measured on a machine of two cores.
#[rustfmt::skip]
pub const GOALS: &[Goal] = &[
    goal("set.miss_ns", "1M", AtMost(80.0)).limit(60.0, "the best exact structures").peer("RwLock<HashMap>"),
    goal("set.miss_ns", "10M", AtMost(180.0)).limit(159.0, "the best exact structures").peer("RwLock<HashMap>"),
    goal("set.hit_ns", "1M", AtMost(260.0)).limit(215.0, "the best exact structures").peer("RwLock<HashMap>"),
    goal("set.read_p99_busy_ns", "1M", AtMost(700.0)).limit(450.0, "in-place publication").peer("RwLock<HashMap>"),
    goal("set.read_stalls", "over 1 ms", AtMostOfPeer(1.0)).peer("an empty loop"),
    goal("set.apply_ns", "1 at a time", AtMost(500.0)).limit(300.0, "in-place publication").peer("RwLock<HashMap>"),
    goal("set.apply_10k_ms", "1M", AtMost(3.0)).limit(1.4, "in-place publication").peer("a cloned HashMap, one update"),
    goal("set.bytes_per_entry", "1M", AtMost(22.0)).limit(12.5, "the exact floor").peer("RwLock<HashMap>"),
    goal("set.bytes_per_entry", "worst, 0.8M-1.7M", AtMost(32.0)),
    goal("set.load_s", "10M", AtMost(1.5)),
    goal("check.decision_us", "known RS256 token", AtMost(4.0)).limit(1.0, "scan and claims alone"),
    goal("check.decision_us", "unknown RS256 token", AtMost(25.0)).limit(17.0, "the signature alone"),
    goal("check.share", "", AtLeast(0.80)).peer("an empty handler, calls/s"),
    goal("envoy.added_p50_ms", "1 connection", AtMost(0.35)).or_of_peer(1.13).limit(0.31, "the gRPC hop")
        .peer("an empty ext_authz handler"),
    goal("envoy.share", "32 connections", AtLeast(0.95)).peer("an empty ext_authz handler, requests/s"),
    goal("next.added_p50_ms", "one check after the other", AtMost(0.15)),
    goal("next.share", "32 checks at once", AtLeast(0.60)).peer("the one behind alone, checks/s"),
    goal("start.enforcer_ms", "own image of 100 000", AtMost(200.0)),
    goal("start.enforcer_ms", "own image of 10 000 000", AtMost(1500.0)),

    goal("e2e.idle_ms", "p50", AtMost(1.0)).limit(0.41, "broker hop, fsync and push"),
    goal("e2e.idle_ms", "p99", AtMost(3.0)),
    goal("e2e.loaded_ms", "p99.9", AtMost(100.0)),
    goal("e2e.burst", "lost", AtMost(0.0)),
    goal("e2e.burst", "s", AtMostOfPeer(2.0)).peer("a bare lapin consumer, not durable"),
    goal("ingest.durable_per_s", "", AtLeast(15_000.0)).or_of_peer(0.6).peer("a bare lapin consumer, not durable"),
    goal("fanout.last_ack_ms", "200", AtMost(8.0)),
    goal("fanout.last_ack_ms", "1 000", AtMost(60.0)).limit(24.0, "bare pushes"),
    goal("fanout.last_ack_ms", "5 000", AtMost(300.0)).limit(160.0, "bare pushes"),
    goal("fanout.cpu_us_per_push", "", AtMost(35.0)).limit(30.0, "wake-up, TLS record, system calls, ACK"),
    goal("bulk.us_per_kb", "", AtMost(1.0)).limit(0.81, "one raw body, shared"),
    goal("bulk.rss_mb", "", AtMost(40.0)).limit(18.0, "one raw body, shared"),
    goal("wire.bytes_per_token", "1M", AtMost(21.0)).limit(12.5, "the exact floor"),
    goal("wire.bytes_per_token", "1M, from the ledger", AtMost(21.0)).limit(12.5, "the exact floor"),
    goal("wire.bytes_per_token", "1 000 000", AtMost(21.0)).limit(12.5, "the exact floor"),
    goal("coldstart.ready_s", "1M", AtMost(1.0)),
    goal("coldstart.ready_s", "10M", AtMost(8.0)),
    goal("resume.ready_ms", "", AtMost(200.0)),
    goal("failover.ms", "kill -9", AtMost(1_000.0)),
    goal("failover.ms", "SIGSTOP", AtMost(16_000.0)),
    goal("ledger.bytes_per_entry", "1M", AtMost(64.0)).limit(42.0, "log, index and wheel"),
    goal("ledger.reload_s", "1M", AtMost(0.4)),
    goal("ledger.reload_s", "10M", AtMost(4.0)),
    goal("catchup.s", "1M", AtMost(4.0)),
    goal("catchup.above_set_mb", "1M", AtMost(64.0)),
    goal("idle.kb_per_stream", "", AtMost(48.0)).limit(35.0, "TLS and HTTP/2"),
    goal("storm.live_push_p99", "", AtMost(5.0)),
    goal("storm.all_done_s", "", AtMost(60.0)),
    goal("passthrough.added_p50_ms", "one call after the other", AtMost(0.15)),
    goal("passthrough.share", "64 calls at once", AtLeast(0.60)),
    goal("start.adapter_ms", "100 000 entries on disk", AtMost(300.0)),

    goal("size.mb", "rescind-adapter", AtMost(12.0)),
    goal("size.mb", "rescind-enforcer", AtMost(12.0)),
    goal("size.mb", "rescind-standin", AtMost(12.0)),
    goal("size.mb", "rescind-stack", AtMost(12.0)),
    goal("rss.mb", "rescind-adapter, idle", AtMost(25.0)),
    goal("rss.mb", "rescind-enforcer, idle", AtMost(20.0)),
];
