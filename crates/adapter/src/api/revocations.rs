//! Is this revoked, since which version, when and whence, and where is it not yet.

use axum::{
    Json,
    extract::{Query, State},
    http::StatusCode,
};
use rescind_ledger::{LedgerReader, Live, Origin};
use rescind_revocation::{Expiry, Identifier, Kind, Revocation};
use rescind_runtime::time::rfc3339;
use serde::{Deserialize, Serialize};
use tracing::warn;

use super::{Api, Parts, Refusal, SCOPE, Version, aside, token, where_is};

/// What is asked for: one of these.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asking {
    jti: Option<String>,
    consumer_key: Option<String>,
    entity_id: Option<String>,
    token: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Revocations {
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

pub(super) async fn revocations(
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
    for live in revoking {
        let origin = origin(&parts.reader, live.sequence).await;
        let api = api.clone();
        by.push(aside(move || Ok(found(api.parts()?, &live, origin))).await?);
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
