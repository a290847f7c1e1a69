use std::sync::{Mutex, PoisonError};

use prometheus_client::registry::Registry;
use prost::Message as _;
use rescind_proto::wso2::discovery::keymgt::{RevokedToken, revoked_token::Kind};
use rescind_revocation::{Identifier, TokenId, UnixMillis};
use rescind_xds::{Any, TYPE_URL};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use super::*;

mod durable;
mod packed;
mod upkeep;

struct Fixture {
    subscription: Subscription,
    set: Arc<RevokedSet>,
    age: Age,
    readiness: Readiness,
    health: Health,
    metrics: Metrics,
}

fn fixture() -> Fixture {
    fixture_with(crate::clock::ManualClock::at(1_000, 1))
}

fn fixture_with(clock: Arc<crate::clock::ManualClock>) -> Fixture {
    let health = Health::new();
    let readiness = Readiness::new(&health);
    let set = Arc::new(RevokedSet::new());
    let metrics = Metrics::register(&mut Registry::default());
    let age = Age::new(clock.clone());
    Fixture {
        subscription: Subscription::new(
            set.clone(),
            Durable::in_memory(clock.clone(), &Health::new(), &metrics),
            Signals {
                age: age.clone(),
                clock: clock.clone(),
                readiness: readiness.clone(),
                health: health.clone(),
                metrics: metrics.clone(),
            },
        ),
        set,
        age,
        readiness,
        health,
        metrics,
    }
}

impl Fixture {
    fn apply(
        &mut self,
        version: &str,
        resources: Vec<Any>,
        head: Option<(&str, bool)>,
    ) -> Result<(), Rejection> {
        let update = Update {
            ledger: None,
            version: version.to_owned(),
            content: Content::Resources(resources),
            head: head.map(|(version, complete)| ServerHead {
                version: version.to_owned(),
                complete,
            }),
            checkpoint: None,
        };
        self.take(update).map(|_| ())
    }

    /// Takes an update that lasts.
    fn take(&mut self, update: Update) -> Result<Answer, Rejection> {
        match self.subscription.apply(update)? {
            Outcome::Applied(answer) => Ok(answer),
            Outcome::Held => panic!("it does not last"),
        }
    }

    fn has(&self, jti: &str) -> bool {
        self.set.read(|view| view.has_token(TokenId::of(jti)))
    }
}

fn any(message: &RevokedToken) -> Any {
    Any {
        type_url: TYPE_URL.to_owned(),
        value: message.encode_to_vec(),
    }
}

fn token(jti: &str) -> Any {
    any(&RevokedToken {
        jti: jti.to_owned(),
        expirytime: 1_628_175_421_481,
        ..RevokedToken::default()
    })
}

fn rule(kind: Kind, name: &str, revoked_at_ms: i64) -> Any {
    any(&RevokedToken {
        jti: name.to_owned(),
        kind: kind.into(),
        revoked_at_ms,
        ..RevokedToken::default()
    })
}

#[test]
fn an_update_brings_its_entries_and_its_version_together() {
    let mut fixture = fixture();
    let resources = vec![
        token("a"),
        rule(Kind::App, "app", 5),
        rule(Kind::Subject, "user", 6),
    ];
    fixture.apply("3-0a", resources, None).unwrap();
    fixture.set.read(|view| {
        assert!(view.has_token(TokenId::of("a")));
        assert_eq!(view.app_revoked_at(TokenId::of("app")), Some(UnixMillis(5)));
        assert_eq!(
            view.subject_revoked_at(TokenId::of("user")),
            Some(UnixMillis(6))
        );
        assert_eq!(&**view.version(), "3-0a");
    });
    assert_eq!(fixture.subscription.version(), "3-0a");
    assert_eq!(fixture.metrics.set_entries.get(), 3);
    assert_eq!(fixture.metrics.set_version.get(), 3);
}

#[test]
fn an_update_with_one_bad_resource_is_refused_whole_and_named_by_its_place() {
    let foreign = Any {
        type_url: "type.googleapis.com/other".into(),
        ..token("secret")
    };
    let broken = Any {
        type_url: TYPE_URL.into(),
        value: vec![0x0a, 0xff],
    };
    let unknown = any(&RevokedToken {
        jti: "secret".into(),
        kind: 7,
        ..RevokedToken::default()
    });
    for (resource, reason) in [
        (
            foreign,
            "resource 1: type URL is not type.googleapis.com/wso2.discovery.keymgt.RevokedToken",
        ),
        (broken, "resource 1: not a RevokedToken"),
        (token(""), "resource 1: identifier is empty"),
        (
            token(&"secret".repeat(Identifier::MAX_BYTES)),
            "resource 1: identifier has 49152 bytes, more than 8192",
        ),
        (unknown, "resource 1: kind 7 is not known"),
        (
            rule(Kind::App, "secret", 0),
            "resource 1: revoked_at_ms is missing",
        ),
        (
            rule(Kind::Subject, "secret", -1),
            "resource 1: revoked_at_ms is missing",
        ),
    ] {
        let mut fixture = fixture();
        fixture.apply("1-0a", vec![token("before")], None).unwrap();
        let resources = vec![token("good"), resource, token("")];
        let head = Some(("2-0a", true));
        let rejection = fixture.apply("2-0a", resources, head).unwrap_err();
        assert_eq!(rejection.to_string(), reason);
        assert!(fixture.has("before") && !fixture.has("good"));
        assert_eq!(fixture.subscription.version(), "1-0a");
        assert!(!fixture.readiness.is_complete());
        assert_eq!(fixture.metrics.rejected_updates.get(), 1);
    }
}

#[test]
fn the_set_is_complete_once_it_holds_the_head_of_a_complete_adapter() {
    let mut fixture = fixture();
    for (version, head) in [
        ("1-0a", Some(("2-0a", true))),
        ("2-0a", Some(("2-0a", false))),
        ("2-0a", Some(("2-0b", true))),
        ("3-0a", None),
    ] {
        fixture.apply(version, vec![token(version)], head).unwrap();
        assert!(!fixture.readiness.is_complete(), "{version} {head:?}");
        assert!(!fixture.health.is_ready());
    }
    fixture.apply("3-0a", vec![], Some(("3-0a", true))).unwrap();
    assert!(fixture.readiness.is_complete() && fixture.health.is_ready());
}

#[test]
fn an_empty_set_is_complete_when_the_adapter_says_so() {
    let mut fixture = fixture();
    fixture.apply("0-0a", vec![], Some(("0-0a", true))).unwrap();
    assert!(fixture.readiness.is_complete());
    assert!(fixture.set.read(rescind_revocation::View::is_empty));
}

#[test]
fn once_complete_it_stays_so_and_keeps_its_set_without_an_adapter() {
    let mut fixture = fixture();
    fixture
        .apply("1-0a", vec![token("a")], Some(("1-0a", true)))
        .unwrap();
    fixture.subscription.link(LinkState::Disconnected {
        reason: "reset".into(),
    });
    fixture
        .apply("0-0b", vec![], Some(("9-0b", false)))
        .unwrap();
    assert!(fixture.readiness.is_complete() && fixture.health.is_ready());
    assert!(fixture.has("a"));
}

#[test]
fn an_adapter_that_does_not_say_whether_it_is_complete_leaves_the_enforcer_unready_and_degraded() {
    let mut fixture = fixture();
    fixture.apply("652374093", vec![token("a")], None).unwrap();
    assert!(fixture.has("a") && !fixture.readiness.is_complete());
    let degraded = fixture.health.report().degraded;
    assert_eq!(degraded[0].0, "unproven adapter");
    fixture.apply("1-0a", vec![], Some(("1-0a", true))).unwrap();
    assert_eq!(fixture.health.report().degraded, []);
}

#[test]
fn the_link_is_degraded_while_it_is_down() {
    let mut fixture = fixture();
    fixture.subscription.link(LinkState::Disconnected {
        reason: "refused".into(),
    });
    assert_eq!(fixture.health.report().degraded[0].0, "adapter");
    assert_eq!(fixture.metrics.adapter_connected.get(), 0);
    fixture.subscription.link(LinkState::Connected {
        address: "adapter:18000".into(),
    });
    assert_eq!(fixture.health.report().degraded, []);
    assert_eq!(fixture.metrics.adapter_connected.get(), 1);
}

#[test]
fn every_applied_version_is_logged_with_the_originals_words_and_its_count() {
    let mut fixture = fixture();
    let lines = Lines::default();
    tracing::subscriber::with_default(lines.clone(), || {
        fixture
            .apply("1042-0a0b0c0d", vec![token("jti-a"), token("jti-b")], None)
            .unwrap();
        fixture.apply("1042-0a0b0c0d", vec![], None).unwrap();
        fixture.apply("652374093", vec![], None).unwrap();
    });
    let lines = lines.0.lock().unwrap_or_else(PoisonError::into_inner);
    let lines: Vec<_> = lines
        .iter()
        .filter(|line| line.contains("Revoked"))
        .collect();
    assert_eq!(
        lines,
        [
            "INFO Revoked  token event received with version : 1042 count=2 total=2",
            "DEBUG Revoked  token event received with version : 1042 total=2",
            "INFO Revoked  token event received with version : 652374093 count=0 total=2",
        ]
    );
}

/// Keeps events as text.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Subscriber for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        let text = format!(
            "{} {}{}",
            event.metadata().level(),
            line.message,
            line.fields
        );
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(text);
    }
}

#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            name => self.fields += &format!(" {name}={value:?}"),
        }
    }
}
