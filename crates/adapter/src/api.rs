//! The admin API: who is connected, is it dead everywhere yet, is this revoked.
//!
//! JSON over the admin port. Every answer is about this adapter alone, and says so. Identifiers are masked; the log never
//! sees a query. `docs/protocol.md` has no part in it: the README shows it with curl.

use std::sync::{Arc, OnceLock};

use axum::{
    Json, Router,
    extract::{Path, Query, Request, State},
    http::{StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{delete, get},
};
use rescind_ledger::{LedgerReader, Live, Origin, Resolved};
use rescind_revocation::{Expiry, Identifier, Kind, Revocation};
use rescind_runtime::time::rfc3339;
use rescind_xds::server::Handle;
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::{
    peers::Peers,
    roster::{Asked, Forget, Roster, Standing},
};

mod access;
mod enforcers;
mod peers;
mod token;

pub(crate) use access::Access;
use access::Right;
use enforcers::{Enforcer, Place};

/// What every answer says of its own reach.
const SCOPE: &str = "this adapter only";

/// The API. Its routes answer 503 until [`Api::serve`].
#[derive(Debug, Clone)]
pub(crate) struct Api {
    access: Access,
    parts: Arc<OnceLock<Parts>>,
}

/// What is asked.
#[derive(Debug)]
struct Parts {
    reader: LedgerReader,
    roster: Roster,
    streams: Handle,
    peers: Peers,
}

impl Api {
    pub(crate) fn new(access: Access) -> Self {
        Self {
            access,
            parts: Arc::default(),
        }
    }

    /// From now on there is something to ask.
    pub(crate) fn serve(
        &self,
        reader: LedgerReader,
        roster: Roster,
        streams: Handle,
        peers: Peers,
    ) {
        // The second call of two would change nothing.
        let _ = self.parts.set(Parts {
            reader,
            roster,
            streams,
            peers,
        });
    }

    pub(crate) fn routes(&self) -> Router {
        let read = Router::new()
            .route("/v1/enforcers", get(enforcers))
            .route("/v1/versions/{version}", get(version))
            .route("/v1/revocations", get(revocations))
            .route("/v1/peers", get(other_adapters))
            .layer(from_fn_with_state(
                (self.access.clone(), Right::Read),
                admit,
            ));
        let manage = Router::new()
            .route("/v1/enforcers/{id}", delete(forget))
            .layer(from_fn_with_state(
                (self.access.clone(), Right::Manage),
                admit,
            ));
        read.merge(manage).with_state(self.clone())
    }

    fn parts(&self) -> Result<&Parts, Refusal> {
        let starting = Refusal(
            StatusCode::SERVICE_UNAVAILABLE,
            "the adapter is starting".to_owned(),
        );
        self.parts.get().ok_or(starting)
    }
}

async fn admit(
    State((access, right)): State<(Access, Right)>,
    request: Request,
    next: Next,
) -> Response {
    match access.check(request.headers(), right) {
        Ok(()) => {
            let mut response = next.run(request).await;
            let no_store = header::HeaderValue::from_static("no-store");
            response
                .headers_mut()
                .insert(header::CACHE_CONTROL, no_store);
            response
        }
        Err(refusal) => refusal.into_response(),
    }
}

/// Why there is no answer.
#[derive(Debug)]
struct Refusal(StatusCode, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Body {
            error: String,
        }
        let body = Json(Body { error: self.1 });
        let mut response = (self.0, body).into_response();
        if self.0 == StatusCode::UNAUTHORIZED {
            let challenge = header::HeaderValue::from_static("Basic realm=\"rescind\", Bearer");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

#[derive(Debug, Serialize)]
struct Enforcers {
    scope: &'static str,
    ledger: String,
    head: String,
    complete: bool,
    enforcers: Vec<Enforcer>,
}

async fn enforcers(State(api): State<Api>) -> Result<Json<Enforcers>, Refusal> {
    let parts = api.parts()?;
    let checkpoint = parts.reader.checkpoint();
    Ok(Json(Enforcers {
        scope: SCOPE,
        ledger: parts.reader.ledger_id().to_string(),
        head: checkpoint.head.to_string(),
        complete: checkpoint.complete,
        enforcers: enforcers::all(&parts.roster, &parts.streams, &parts.reader),
    }))
}

/// Whether the other adapters hold the same set.
#[derive(Debug, Serialize)]
struct OtherAdapters {
    scope: &'static str,
    ledger: String,
    head: String,
    complete: bool,
    peers: Vec<peers::Shown>,
}

async fn other_adapters(State(api): State<Api>) -> Result<Json<OtherAdapters>, Refusal> {
    let parts = api.parts()?;
    let checkpoint = parts.reader.checkpoint();
    Ok(Json(OtherAdapters {
        scope: SCOPE,
        ledger: parts.reader.ledger_id().to_string(),
        head: checkpoint.head.to_string(),
        complete: checkpoint.complete,
        peers: peers::all(&parts.peers),
    }))
}

/// Where a version has arrived.
#[derive(Debug, Serialize)]
struct Version {
    scope: &'static str,
    version: String,
    everywhere: bool,
    acked: usize,
    missing: usize,
    gone: usize,
    cannot: usize,
    enforcers: Vec<Place>,
}

async fn version(
    State(api): State<Api>,
    Path(version): Path<String>,
) -> Result<Json<Version>, Refusal> {
    let parts = api.parts()?;
    let unknown = || {
        let text =
            "this adapter knows no such version: it is a sequence, or a sequence and an epoch";
        Refusal(StatusCode::NOT_FOUND, text.to_owned())
    };
    let sequence = sequence(&parts.reader, &version).ok_or_else(unknown)?;
    Ok(Json(where_is(parts, sequence)))
}

/// The sequence that `1042` or `1042-<epoch>` names here.
fn sequence(reader: &LedgerReader, version: &str) -> Option<u64> {
    let head = reader.head().sequence;
    match version.parse() {
        Ok(cursor) => match reader.place(cursor) {
            Resolved::At(sequence) => Some(sequence),
            Resolved::Beyond | Resolved::Unknown => None,
        },
        Err(_) => version.parse().ok().filter(|sequence| *sequence <= head),
    }
}

fn where_is(parts: &Parts, sequence: u64) -> Version {
    let entry = parts.reader.read(sequence.saturating_sub(1), sequence, 1);
    let is_rule = entry
        .first()
        .is_some_and(|live| live.revocation.kind() != Kind::Token);
    let receipts = parts.roster.receipts(Some(Asked { sequence, is_rule }));
    let count = |standing| {
        let standings = receipts.iter().filter_map(|receipt| receipt.standing);
        standings.filter(|other| *other == standing).count()
    };
    Version {
        scope: SCOPE,
        version: parts.reader.cursor(sequence).to_string(),
        // Of nobody nothing can be said.
        everywhere: !receipts.is_empty() && receipts.iter().all(|receipt| receipt.counts),
        acked: count(Standing::Acked),
        missing: count(Standing::Missing),
        gone: count(Standing::Gone),
        cannot: count(Standing::Cannot),
        enforcers: enforcers::places(&receipts, &parts.reader),
    }
}

/// What is asked for: one of these.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asking {
    jti: Option<String>,
    consumer_key: Option<String>,
    entity_id: Option<String>,
    token: Option<String>,
}

#[derive(Debug, Serialize)]
struct Revocations {
    scope: &'static str,
    revoked: bool,
    /// What of the credential is revoked; empty where nothing is.
    by: Vec<Found>,
}

/// One entry that revokes it.
#[derive(Debug, Serialize)]
struct Found {
    kind: &'static str,
    identifier: String,
    /// The version that brought it.
    since: String,
    /// When this adapter committed that, RFC 3339; null where it is not known any more, or was never.
    committed_at: Option<String>,
    /// Whence it came: the event hub or the list, and its address.
    from: Option<String>,
    /// Until when a token would have been good, in seconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Ends>,
    /// What an application's or a subject's tokens must be younger than, in milliseconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at_ms: Option<u64>,
    #[serde(flatten)]
    places: Version,
}

/// When a token ends.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Ends {
    At(u64),
    Word(&'static str),
}

async fn revocations(
    State(api): State<Api>,
    Query(asking): Query<Asking>,
) -> Result<Json<Revocations>, Refusal> {
    let parts = api.parts()?;
    let names = match asking {
        Asking {
            jti: Some(jti),
            consumer_key: None,
            entity_id: None,
            token: None,
        } => vec![(Kind::Token, jti, None)],
        Asking {
            jti: None,
            consumer_key: Some(key),
            entity_id: None,
            token: None,
        } => vec![(Kind::App, key, None)],
        Asking {
            jti: None,
            consumer_key: None,
            entity_id: Some(id),
            token: None,
        } => vec![(Kind::Subject, id, None)],
        Asking {
            jti: None,
            consumer_key: None,
            entity_id: None,
            token: Some(token),
        } => token::names(&token),
        _ => {
            let text = "ask for one of jti, consumer_key, entity_id and token";
            return Err(Refusal(StatusCode::BAD_REQUEST, text.to_owned()));
        }
    };
    let mut revoking = Vec::new();
    for (kind, name, issued_at) in names {
        let Ok(identifier) = Identifier::new(name) else {
            let text = "an identifier is neither empty nor longer than 8192 bytes";
            return Err(Refusal(StatusCode::BAD_REQUEST, text.to_owned()));
        };
        let live = parts.reader.find(kind, &identifier);
        revoking.extend(live.filter(|live| applies(live, issued_at)));
    }
    let mut by = Vec::new();
    for live in &revoking {
        by.push(found(
            parts,
            live,
            origin(&parts.reader, live.sequence).await,
        ));
    }
    Ok(Json(Revocations {
        scope: SCOPE,
        revoked: !by.is_empty(),
        by,
    }))
}

/// Whether a rule is about a token that was issued at that second; one that does not say when is refused.
fn applies(live: &Live, issued_at: Option<u64>) -> bool {
    let (Revocation::App { revoked_at, .. } | Revocation::Subject { revoked_at, .. }) =
        &live.revocation
    else {
        return true;
    };
    issued_at.is_none_or(|issued_at| issued_at <= revoked_at.second().0)
}

/// When and whence it came. Reads the disk; what cannot be read now must not keep the answer back.
async fn origin(reader: &LedgerReader, sequence: u64) -> Option<Origin> {
    let reader = reader.clone();
    let read = tokio::task::spawn_blocking(move || reader.origin(sequence)).await;
    match read {
        Ok(Ok(origin)) => origin,
        Ok(Err(error)) => {
            let reason = format!("{:#}", anyhow::Error::from(error));
            warn!(reason, "Cannot read when and whence a revocation came");
            None
        }
        Err(_) => None,
    }
}

fn found(parts: &Parts, live: &Live, origin: Option<Origin>) -> Found {
    let (kind, expires_at, revoked_at_ms) = match &live.revocation {
        Revocation::Token { expiry, .. } => {
            let ends = match expiry {
                Expiry::Known(at) => Ends::At(at.0),
                Expiry::Unknown => Ends::Word("unknown"),
                Expiry::Never => Ends::Word("never"),
            };
            ("token", Some(ends), None)
        }
        Revocation::App { revoked_at, .. } => ("application", None, Some(revoked_at.0)),
        Revocation::Subject { revoked_at, .. } => ("subject", None, Some(revoked_at.0)),
    };
    Found {
        kind,
        identifier: live.revocation.identifier().to_string(),
        since: parts.reader.cursor(live.sequence).to_string(),
        committed_at: origin.as_ref().and_then(|origin| rfc3339(origin.at.0)),
        from: origin.map(|origin| origin.source),
        expires_at,
        revoked_at_ms,
        places: where_is(parts, live.sequence),
    }
}

async fn forget(State(api): State<Api>, Path(id): Path<u64>) -> Result<StatusCode, Refusal> {
    match api.parts()?.roster.forget(id) {
        Forget::Done => Ok(StatusCode::NO_CONTENT),
        Forget::Unknown => Err(Refusal(
            StatusCode::NOT_FOUND,
            "there is no such enforcer".to_owned(),
        )),
        Forget::Connected => Err(Refusal(
            StatusCode::CONFLICT,
            "it is connected: it would be back at once".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests;
