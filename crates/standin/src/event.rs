//! What the hub is told: the messages that API Manager's token revocation notifier publishes, byte for byte.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use uuid::Uuid;

/// One message on the topic `tokenRevocation`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The JSON text.
    pub body: String,
    /// `ID:<uuid>`.
    pub message_id: String,
    /// When it was made. Milliseconds, as JMS has it.
    pub timestamp: u64,
}

/// What is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The field `type`.
    pub kind: String,
    /// The field `revokedToken`.
    pub revoked_token: String,
    /// The field `expiryTime`, in whatever unit this kind has.
    pub expiry_time: i64,
}

impl Event {
    /// An access token.
    pub fn token(jti: &str, expiry_time: i64) -> Self {
        Self {
            kind: "JWT".into(),
            revoked_token: jti.into(),
            expiry_time,
        }
    }

    /// An API key.
    pub fn api_key(jti: &str, expiry_time: i64) -> Self {
        Self {
            kind: "API_KEY".into(),
            revoked_token: jti.into(),
            expiry_time,
        }
    }

    /// Every token that an application holds. The time is in milliseconds, and travels as a string.
    pub fn application(consumer_key: &str, revocation_time: i64) -> Self {
        let what = json!({
            "consumerKey": consumer_key,
            "revocationTime": revocation_time.to_string(),
        });
        Self::indirect("consumer_app_revocation_event", &what.to_string())
    }

    /// Every token that speaks for a user or an application.
    pub fn subject(entity_id: &str, entity_type: &str, revocation_time: i64) -> Self {
        let what = json!({
            "entityId": entity_id,
            "entityType": entity_type,
            "revocationTime": revocation_time.to_string(),
        });
        Self::indirect("subject_entity_revocation_event", &what.to_string())
    }

    fn indirect(kind: &str, what: &str) -> Self {
        Self {
            kind: kind.into(),
            revoked_token: STANDARD.encode(what),
            expiry_time: 0,
        }
    }

    /// The message, with a new event id and message id. API Manager fills a text template: strings are not escaped.
    pub fn message(&self, now: u64) -> Message {
        let Self {
            kind,
            revoked_token,
            expiry_time,
        } = self;
        let event_id = Uuid::new_v4();
        Message {
            body: format!(
                r#"{{"event":{{"payloadData":{{"eventId":"{event_id}","revokedToken":"{revoked_token}","ttl":"3600","expiryTime":{expiry_time},"type":"{kind}","tenantId":-1234}}}}}}"#
            ),
            message_id: format!("ID:{}", Uuid::new_v4()),
            timestamp: now,
        }
    }
}
