//! The admin API: who is connected, is it dead everywhere yet, is this revoked.
//!
//! JSON over the admin port. Every answer is about this adapter alone, and says so. Identifiers are masked; the log never
//! sees a query. `docs/protocol.md` has no part in it: the README shows it with curl.

use std::sync::{Arc, OnceLock};

use axum::{
    Json, Router,
    extract::{Path, Request, State},
    http::{StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{delete, get},
};
use rescind_ledger::{LedgerReader, Resolved};
use rescind_revocation::Kind;
use rescind_xds::server::Handle;
use serde::Serialize;

use crate::{
    peer::Allowed,
    peers::Peers,
    roster::{Asked, Forget, Receipt, Roster, Standing},
};

mod access;
mod enforcers;
mod peers;
mod revocations;
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
    allowed: Allowed,
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
        allowed: Allowed,
    ) {
        // The second call of two would change nothing.
        let _ = self.parts.set(Parts {
            reader,
            roster,
            streams,
            peers,
            allowed,
        });
    }

    pub(crate) fn routes(&self) -> Router {
        let read = Router::new()
            .route("/v1/enforcers", get(enforcers))
            .route("/v1/versions/{version}", get(version))
            .route("/v1/revocations", get(revocations::revocations))
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
    /// Whose certificates may subscribe, by configuration, and which of them several may share.
    allowed_clients: Vec<String>,
    may_be_shared: Vec<String>,
    /// Certificates that several enforcers show: only what each says of itself tells these apart.
    shared_certificates: Vec<String>,
    /// The roster's file cannot be used: those that are away are missing here.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    away_unknown: bool,
    enforcers: Vec<Enforcer>,
}

async fn enforcers(State(api): State<Api>) -> Result<Json<Enforcers>, Refusal> {
    // Thousands of rows take a while: not on a thread that serves streams.
    aside(move || {
        let parts = api.parts()?;
        let checkpoint = parts.reader.checkpoint();
        let enforcers = enforcers::all(&parts.roster, &parts.streams, &parts.reader);
        let (allowed_clients, may_be_shared) = parts.allowed.names();
        Ok(Json(Enforcers {
            scope: SCOPE,
            ledger: parts.reader.ledger_id().to_string(),
            head: checkpoint.head.to_string(),
            complete: checkpoint.complete,
            allowed_clients,
            may_be_shared,
            shared_certificates: enforcers::shared_certificates(&enforcers),
            away_unknown: parts.roster.is_forgetful(),
            enforcers,
        }))
    })
    .await
}

/// Answers on a thread that may block.
async fn aside<T: Send + 'static>(
    answer: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let answered = tokio::task::spawn_blocking(answer).await;
    answered.unwrap_or_else(|_| {
        let text = "the adapter is ending, or has failed to answer";
        Err(Refusal(StatusCode::SERVICE_UNAVAILABLE, text.to_owned()))
    })
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
    /// The roster's file cannot be used: somebody may be away whom nobody knows, so that nothing is everywhere.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    away_unknown: bool,
    acked: usize,
    missing: usize,
    gone: usize,
    cannot: usize,
    partial: usize,
    enforcers: Vec<Place>,
}

async fn version(
    State(api): State<Api>,
    Path(version): Path<String>,
) -> Result<Json<Version>, Refusal> {
    let unknown = || {
        let text =
            "this adapter knows no such version: it is a sequence, or a sequence and an epoch";
        Refusal(StatusCode::NOT_FOUND, text.to_owned())
    };
    aside(move || {
        let parts = api.parts()?;
        let sequence = sequence(&parts.reader, &version).ok_or_else(unknown)?;
        Ok(Json(where_is(parts, sequence)))
    })
    .await
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
        // Of nobody nothing can be said, nor of those of whom nobody knows.
        everywhere: !parts.roster.is_forgetful()
            && receipts.iter().any(|receipt| receipt.counts)
            && !receipts.iter().any(Receipt::blocks),
        away_unknown: parts.roster.is_forgetful(),
        acked: count(Standing::Acked),
        missing: count(Standing::Missing),
        gone: count(Standing::Gone),
        cannot: count(Standing::Cannot),
        partial: count(Standing::Partial),
        enforcers: enforcers::places(&receipts, &parts.reader),
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
