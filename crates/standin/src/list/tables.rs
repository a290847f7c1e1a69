//! The three tables in memory.

use std::collections::{BTreeMap, HashSet};

use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::{ConsumerKeyRow, JwtRow, Row, SubjectRow};
use crate::access_token::AccessTokenClaims;

/// Tokens in the order of their revocation; of an application or a subject the latest revocation alone.
#[derive(Debug, Default)]
pub(super) struct Tables {
    tokens: Vec<JwtRow>,
    identifiers: HashSet<String>,
    subjects: BTreeMap<(String, String), SubjectRow>,
    consumer_keys: BTreeMap<String, ConsumerKeyRow>,
}

impl Tables {
    /// Whether merging the row would change nothing.
    pub(super) fn holds(&self, row: &Row) -> bool {
        match row {
            Row::Jwt(row) => self.identifiers.contains(&row.jwt_signature),
            Row::Subject(row) => self
                .subjects
                .get(&(row.entity_type.clone(), row.entity_id.clone()))
                .is_some_and(|held| held.revocation_time >= row.revocation_time),
            Row::ConsumerKey(row) => self
                .consumer_keys
                .get(&row.consumer_key)
                .is_some_and(|held| held.revocation_time >= row.revocation_time),
        }
    }

    pub(super) fn merge(&mut self, row: Row) {
        if self.holds(&row) {
            return;
        }
        match row {
            Row::Jwt(row) => {
                self.identifiers.insert(row.jwt_signature.clone());
                self.tokens.push(row);
            }
            Row::Subject(row) => {
                let key = (row.entity_type.clone(), row.entity_id.clone());
                self.subjects.insert(key, row);
            }
            Row::ConsumerKey(row) => {
                self.consumer_keys.insert(row.consumer_key.clone(), row);
            }
        }
    }

    /// A token of the second in which its application or its subject was revoked is refused.
    pub(super) fn refuses(&self, claims: &AccessTokenClaims) -> bool {
        let issued_at = claims.iat.saturating_mul(1000);
        let entity_id = claims.entity_id.as_deref();
        self.identifiers.contains(&claims.jti)
            || self
                .consumer_keys
                .get(&claims.azp)
                .is_some_and(|row| row.revocation_time >= issued_at)
            || self
                .subjects
                .values()
                .any(|row| Some(&*row.entity_id) == entity_id && row.revocation_time >= issued_at)
    }

    pub(super) fn len(&self) -> usize {
        self.tokens.len() + self.subjects.len() + self.consumer_keys.len()
    }

    pub(super) fn tokens(&self) -> &[JwtRow] {
        &self.tokens
    }
}

/// The object form of API Manager 4.3.
impl Serialize for Tables {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let subjects: Vec<_> = self.subjects.values().collect();
        let consumer_keys: Vec<_> = self.consumer_keys.values().collect();
        let mut object = serializer.serialize_struct("RevokedEvents", 3)?;
        object.serialize_field("revokedJWTList", &self.tokens)?;
        object.serialize_field("revokedJWTSubjectEntityList", &subjects)?;
        object.serialize_field("revokedJWTConsumerKeyList", &consumer_keys)?;
        object.end()
    }
}
