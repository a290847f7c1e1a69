//! The decision: request attributes, revoked set, keys and time in, [`Decision`] out.
//!
//! Pure and synchronous: no socket, no file, no clock, no log. What is refused, and with which body, is Choreo Connect's,
//! to the byte; where this is stricter than the original the place says so. Token text is borrowed from the request, and
//! never kept, copied into an error or printed.

mod algorithm;
mod answer;
mod claims;
mod credential;
mod decide;
mod encoding;
mod facts;
mod key_type;
mod keys;
mod parsed;
mod request;
mod token;
mod verified;
mod verify;

#[cfg(test)]
mod testing;

pub use algorithm::Algorithm;
pub use answer::{Answer, Denial, Fault, Reason};
pub use claims::{ClaimValue, Lacking, VerifiedClaims};
pub use credential::{CredentialKind, CredentialNames};
pub use decide::{Decision, Permit, Policy, Verification};
pub use key_type::{Endpoints, KeyType};
pub use keys::{IssuerKeys, Jwks, KeyError, KeySet, VerificationKey};
pub use request::{Headers, Request};
pub use token::identifiers;
pub use verified::VerifiedTokens;
