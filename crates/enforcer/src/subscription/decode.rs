//! Bytes to entries. Nothing is taken of an update of which one resource cannot be read; the error names it by its place,
//! never by its content.

use prost::Message as _;
use rescind_proto::wso2::discovery::keymgt::{RevokedToken, revoked_token::Kind};
use rescind_revocation::{
    Entry, Expiry, Identifier, IdentifierError, UnixMillis, UnixSeconds,
    packed::{self, PackedError},
};
use rescind_xds::{Any, TYPE_URL, client::Content};
use thiserror::Error;

/// Why an update was refused.
#[derive(Debug, PartialEq, Eq, Error)]
pub(super) enum DecodeError {
    #[error("resource {index}: {reason}")]
    Resource { index: usize, reason: Reason },
    #[error("packed entries: {0}")]
    Packed(#[from] PackedError),
}

#[derive(Debug, PartialEq, Eq, Error)]
pub(super) enum Reason {
    #[error("type URL is not {TYPE_URL}")]
    TypeUrl,
    #[error("not a RevokedToken")]
    Message,
    #[error("{0}")]
    Identifier(#[from] IdentifierError),
    #[error("kind {0} is not known")]
    Kind(i32),
    #[error("revoked_at_ms is missing")]
    RevokedAt,
}

/// Decodes and validates everything in an update.
pub(super) fn entries(content: &Content) -> Result<Vec<Entry>, DecodeError> {
    match content {
        Content::Nothing => Ok(Vec::new()),
        Content::Packed(of) => Ok(packed::decode(&of.entries, UnixSeconds(of.base))?),
        Content::Resources(resources) => resources
            .iter()
            .enumerate()
            .map(|(index, resource)| {
                entry(resource).map_err(|reason| DecodeError::Resource { index, reason })
            })
            .collect(),
    }
}

fn entry(resource: &Any) -> Result<Entry, Reason> {
    if resource.type_url != TYPE_URL {
        return Err(Reason::TypeUrl);
    }
    let RevokedToken {
        jti,
        expirytime,
        kind,
        entity_type: _,
        revoked_at_ms,
    } = RevokedToken::decode(&*resource.value).map_err(|_| Reason::Message)?;
    let id = Identifier::new(jti)?.id();
    Ok(
        match Kind::try_from(kind).map_err(|_| Reason::Kind(kind))? {
            Kind::Token => Entry::Token {
                id,
                expiry: Expiry::from_wire_millis(expirytime),
            },
            Kind::App => Entry::App {
                id,
                revoked_at: moment(revoked_at_ms)?,
            },
            Kind::Subject => Entry::Subject {
                id,
                revoked_at: moment(revoked_at_ms)?,
            },
        },
    )
}

/// Without its moment the revocation of an application says nothing: no token was issued before the epoch.
fn moment(millis: i64) -> Result<UnixMillis, Reason> {
    match u64::try_from(millis) {
        Ok(millis) if millis > 0 => Ok(UnixMillis(millis)),
        _ => Err(Reason::RevokedAt),
    }
}
