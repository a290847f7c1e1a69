use rescind_ledger::Ledger;
use rescind_revocation::{Expiry, Identifier, UnixMillis, UnixSeconds};
use rescind_xds::Removed;
use tempfile::TempDir;

use super::*;

mod documented;
#[path = "../../../xds/src/black_box/standard.rs"]
mod standard;
mod streams;

fn id(text: &str) -> Identifier {
    Identifier::new(text).unwrap()
}

fn token(text: &str) -> Revocation {
    Revocation::Token {
        identifier: id(text),
        expiry: Expiry::Known(UnixSeconds(2)),
    }
}

fn app(text: &str) -> Revocation {
    Revocation::App {
        consumer_key: id(text),
        revoked_at: UnixMillis(7),
        disbelieved: None,
    }
}

fn subject(text: &str) -> Revocation {
    Revocation::Subject {
        entity_id: id(text),
        entity_type: "USER_ID".into(),
        revoked_at: UnixMillis(u64::MAX),
        disbelieved: None,
    }
}

struct Fixture {
    _directory: TempDir,
    ledger: Ledger,
    publication: Publication,
    commands: mpsc::Receiver<Command>,
}

fn fixture(group: &[Revocation]) -> Fixture {
    let directory = TempDir::new().unwrap();
    let (mut ledger, _) = Ledger::open(directory.path()).unwrap();
    ledger.append(group).unwrap();
    let (tx, commands) = mpsc::channel(1);
    let head = watch::Sender::new(Head::default()).subscribe();
    Fixture {
        _directory: directory,
        publication: Publication::new(ledger.reader(), head, tx, SourceFlag::default(), false),
        ledger,
        commands,
    }
}

fn decoded(chunk: &Chunk) -> Vec<RevokedToken> {
    let resources = chunk.resources.decode().into_iter();
    resources
        .map(|resource| {
            assert_eq!(resource.type_url, TYPE_URL);
            RevokedToken::decode(&*resource.value).unwrap()
        })
        .collect()
}

fn names(chunk: &Chunk) -> Vec<String> {
    decoded(chunk).into_iter().map(|token| token.jti).collect()
}

const ALL: usize = usize::MAX;

#[test]
fn every_kind_has_its_fields() {
    let fixture = fixture(&[token("t"), app("a"), subject("s")]);
    let chunk = fixture
        .publication
        .read(Position(0), Position(3), Audience::Rescind, ALL);
    assert_eq!(chunk.to, Position(3));
    assert_eq!(
        decoded(&chunk),
        [
            RevokedToken {
                jti: "t".into(),
                expirytime: 2000,
                kind: 0,
                entity_type: String::new(),
                revoked_at_ms: 0,
            },
            RevokedToken {
                jti: "a".into(),
                expirytime: 0,
                kind: 1,
                entity_type: String::new(),
                revoked_at_ms: 7,
            },
            RevokedToken {
                jti: "s".into(),
                expirytime: 0,
                kind: 2,
                entity_type: "USER_ID".into(),
                revoked_at_ms: i64::MAX,
            },
        ]
    );
}

#[test]
fn an_older_enforcer_gets_tokens_alone_and_moves_on_all_the_same() {
    let fixture = fixture(&[app("a"), token("t"), subject("s")]);
    let read = |after| {
        let publication = &fixture.publication;
        publication.read(Position(after), Position(3), Audience::Classic, ALL)
    };
    assert_eq!(names(&read(0)), ["t"]);
    assert_eq!(read(0).to, Position(3));
    assert_eq!(
        read(2),
        Chunk {
            resources: Default::default(),
            to: Position(3)
        }
    );
}

#[test]
fn chunks_end_before_what_does_not_fit_and_lose_nothing() {
    let all: Vec<_> = (0..1500).map(|n| format!("token-{n:04}")).collect();
    let group: Vec<_> = all.iter().map(|name| token(name)).collect();
    let fixture = fixture(&group);
    let size = wire_len(&resource(&fixture.ledger.reader().read(0, 1, 1)[0]));
    // One less than fits 700, exactly that, one token at a time, and everything.
    for (max_bytes, first) in [
        (size * 700 - 1, 699),
        (size * 700, 700),
        (1, 1),
        (ALL, 1500),
    ] {
        let mut got = Vec::new();
        let mut at = Position(0);
        while at < Position(1500) {
            let chunk = fixture
                .publication
                .read(at, Position(1500), Audience::Classic, max_bytes);
            assert!(at < chunk.to);
            let bytes = chunk.resources.wire_len();
            assert!(bytes <= max_bytes || chunk.resources.len() == 1);
            if at == Position(0) {
                assert_eq!(chunk.resources.len(), first);
                assert_eq!(chunk.to, Position(first as u64));
            }
            got.extend(names(&chunk));
            at = chunk.to;
        }
        assert_eq!(got, all);
    }
}

#[test]
fn what_was_superseded_leaves_no_gap_behind() {
    let mut fixture = fixture(&[token("a"), token("b"), app("c")]);
    let again = Revocation::Token {
        identifier: id("b"),
        expiry: Expiry::Never,
    };
    fixture.ledger.append(&[again]).unwrap();
    let chunk = fixture
        .publication
        .read(Position(1), Position(3), Audience::Classic, ALL);
    assert_eq!(
        chunk,
        Chunk {
            resources: Default::default(),
            to: Position(3)
        }
    );
    let chunk = fixture
        .publication
        .read(Position(1), Position(4), Audience::Classic, ALL);
    assert_eq!(names(&chunk), ["b"]);
}

#[test]
fn a_version_is_a_cursor_and_leads_back_to_its_position() {
    let mut fixture = fixture(&[token("a"), token("b")]);
    let publication = &fixture.publication;
    let epoch = fixture.ledger.reader().head().epoch;
    assert_eq!(publication.version(Position(2)), format!("2-{epoch}"));
    for at in [0, 1, 2] {
        let version = publication.version(Position(at));
        assert_eq!(publication.resolve(&version), Position(at));
    }
    for unknown in ["", "652374093", "2-00000000x", "two"] {
        assert_eq!(publication.resolve(unknown), Position(0), "{unknown}");
    }
    assert!(fixture.commands.try_recv().is_err());
}

#[test]
fn a_version_beyond_the_head_tells_of_an_old_copy_once() {
    let mut fixture = fixture(&[token("a")]);
    let epoch = fixture.ledger.reader().head().epoch;
    for beyond in [2, 3] {
        let version = format!("{beyond}-{epoch}");
        assert_eq!(fixture.publication.resolve(&version), Position(0));
    }
    assert!(matches!(fixture.commands.try_recv(), Ok(Command::SetBack)));
    assert!(fixture.commands.try_recv().is_err());
}

fn until(text: &str, second: u64) -> Revocation {
    Revocation::Token {
        identifier: id(text),
        expiry: Expiry::Known(UnixSeconds(second)),
    }
}

#[test]
fn packed_ranges_hold_what_the_log_holds_and_a_statement_is_about_its_head() {
    let fixture = fixture(&[token("a"), app("b"), subject("c")]);
    let publication = &fixture.publication;
    let part = publication.read_packed(Position(0), Position(3), ALL);
    assert_eq!((part.count, part.to, part.base), (3, Position(3), 0));
    let entries = rescind_revocation::packed::decode(&part.entries, UnixSeconds(part.base));
    let live = fixture.ledger.reader().read(0, 3, 9);
    let expected: Vec<_> = live.iter().map(|live| live.revocation.entry()).collect();
    assert_eq!(entries.unwrap(), expected);

    let statement = publication.statement();
    let (digest, count) = (statement.digest, statement.count);
    let mut digests = rescind_revocation::Digests::new();
    expected.iter().for_each(|entry| digests.insert(entry));
    let (own, own_count) = digests.from(UnixSeconds(statement.horizon));
    assert_eq!((digest, count), (own.to_bytes(), own_count));
    assert_eq!(statement.position, Position(3));
    assert_eq!((statement.complete, statement.source_age_ms), (false, None));
    assert!(statement.as_of_ms > 0);
}

#[test]
fn source_age_is_nothing_while_it_is_good_and_counts_from_when_it_last_was() {
    let mut fixture = fixture(&[]);
    fixture.ledger.mark_complete(UnixMillis(1_000)).unwrap();
    let old = fixture.publication.statement();
    assert!(old.complete && old.source_age_ms.unwrap() > 1_000_000);
    fixture.publication.source.set(true);
    assert_eq!(fixture.publication.statement().source_age_ms, Some(0));
}

#[test]
fn named_resources_are_tokens_and_count_as_removed_after_their_expiry() {
    let far = 4_000_000_000;
    let fixture = fixture(&[until("old", 1200), app("b"), until("new", far)]);
    let publication = &fixture.publication;
    // The ledger has swept nothing yet, so nothing is removed long before that.
    assert_eq!(Names::horizon(publication), 3000);
    let part = publication.read_named(Position(0), Position(3), 3000, ALL);
    let found: Vec<_> = part.resources.iter().map(|named| &*named.name).collect();
    assert_eq!((found, part.to), (vec!["new"], Position(3)));
    assert_eq!(publication.find("new", 3000).unwrap().name, "new");
    for gone in ["old", "b", "never", ""] {
        assert_eq!(publication.find(gone, 3000), None, "{gone}");
    }
    // What is so short is looked through at once.
    let removed = |from| match publication.removed(from, 3000) {
        Removed::Names(names) => names.to_vec(),
        other => panic!("{other:?}"),
    };
    assert_eq!(removed(600), ["old"]);
    assert_eq!(removed(1800), [""; 0]);
}
