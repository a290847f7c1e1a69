//! What each figure is, in a line.

/// What one figure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meaning {
    /// The figure's name.
    pub name: &'static str,
    /// What it is, without a full stop.
    pub what: &'static str,
}

const fn row(name: &'static str, what: &'static str) -> Meaning {
    Meaning { name, what }
}

/// What each figure with a goal is, and each of the others that the table cannot be read without.
#[rustfmt::skip]
pub const MEANINGS: &[Meaning] = &[
    row("set.miss_ns", "asking the revoked set for an identifier that it does not hold, text in, one look-up after the other"),
    row("set.hit_ns", "the same for one that it holds"),
    row("set.read_p99_busy_ns", "a look-up beside a writer of 10 000 single updates a second, 99th percentile"),
    row("set.read_stalls", "how many of those look-ups took more than a millisecond: most are the scheduler's, which an empty loop meets too"),
    row("set.apply_ns", "one update, published by itself"),
    row("set.apply_10k_ms", "one batch of 10 000, published in one step"),
    row("set.bytes_per_entry", "memory of the set for each token with an expiry; the worst between two doublings"),
    row("set.load_s", "a set of 10 million from its own image on disk"),
    row("check.decision_us", "one decision in process, from the attributes of a check; *known* tokens were verified before"),
    row("check.share", "checks a second over HTTP/2, as a share of what a handler that does nothing reaches on tonic's server, as such handlers are written"),
    row("check.latency_us", "the time of one such check from the client's side, beside the same of that handler"),
    row("envoy.added_p50_ms", "what ext_authz with our enforcer adds to a request through Envoy, median, both over mutual TLS"),
    row("envoy.share", "requests a second through Envoy with our enforcer, as a share of those with an empty ext_authz handler: the median of interleaved pairs. That one runs on tonic's server; more than 1 is what ours saves"),
    row("envoy.requests_per_s", "the rates behind that share"),
    row("envoy.cpu_us", "processor time that Envoy and the ext_authz handler take for each request, with ours and with the empty one"),
    row("next.added_p50_ms", "what our enforcer adds to a check that another one decides behind it (`[next]`), median, TLS on both ways"),
    row("next.share", "checks a second through ours and on to that one, as a share of those straight to it, on the same cores; \
        that one says yes without looking, so nearly all there is are the hops"),
    row("start.enforcer_ms", "start of the process until it answers checks from its own image on disk, no adapter there"),
    row("e2e.idle_ms", "publication of an event at the broker until the adapter's receipts say ACKED for all, the enforcer's process among them: \
        durable, applied and ACKed. The question, over HTTPS, is in the figure"),
    row("e2e.idle_client_ms", "the same until a client of the protocol in the benchmark's own process has applied it, without that question"),
    row("e2e.loaded_ms", "publication until applied and ACKed, over all events and 100 connected clients of the protocol, at 1 000 events a second"),
    row("e2e.burst", "100 000 events that wait in the broker: until all are durable, applied by the enforcer process and ACKed; \
        *lost* are those that the enforcer or the ledger does not hold then"),
    row("ingest.durable_per_s", "the same until all are on the adapter's disk, without an enforcer"),
    row("fanout.last_ack_ms", "one revocation until the last of so many enforcers has ACKed it, on the same cores, TLS"),
    row("fanout.cpu_us_per_push", "the adapter's processor time for each of those pushes"),
    row("bulk.us_per_kb", "the adapter's processor time for each kilobyte and subscriber of a large response"),
    row("bulk.rss_mb", "what the adapter grows by while 1 MB goes to 200 subscribers"),
    row("passthrough.added_p50_ms", "what being carried to the original adds to a call of 1 kB there and back, median, TLS on both ways"),
    row("passthrough.share", "such calls a second through ours, as a share of those straight to the original, on the same cores"),
    row("wire.bytes_per_token", "a UUID with expiry in the packed form, encoded, from the ledger, and as it crosses the wire"),
    row("coldstart.ready_s", "an enforcer that holds nothing until it holds so many tokens, TLS"),
    row("resume.ready_ms", "an enforcer that was away for 60 000 revocations until it holds them"),
    row("failover.ms", "an enforcer whose adapter falls away until it is on another one"),
    row("ledger.bytes_per_entry", "memory of the adapter's ledger for each live token"),
    row("ledger.reload_s", "opening a ledger of so many tokens"),
    row("ledger.append_per_s", "tokens a second to disk, each group durable before the next"),
    row("catchup.s", "the control plane's whole list over HTTPS into the ledger"),
    row("catchup.above_set_mb", "memory at the peak of that, beyond what the ledger takes anyway"),
    row("idle.kb_per_stream", "memory of the adapter for each stream that has nothing to do"),
    row("storm.live_push_p99", "a live push to idle streams while 1 000 enforcers fetch 100 000 tokens each, beside the same without them"),
    row("storm.all_done_s", "until all of those have them"),
    row("start.adapter_ms", "start of the process until a TLS handshake on the discovery port is answered"),
    row("size.mb", "the program's file as `make build` leaves it"),
    row("rss.mb", "resident memory of the process, a few seconds after it was ready, with nothing revoked"),
];
