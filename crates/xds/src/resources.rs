//! Resources as they stand in a response: encoded once, whoever they are sent to.

use bytes::{Bytes, BytesMut};
use prost::Message as _;
use rescind_proto::envoy::service::discovery::v3::DiscoveryResponse;

use crate::Any;

/// The number of `resources` in `DiscoveryResponse`.
const FIELD: u32 = 2;

/// Resources of one response, in order: the field of a `DiscoveryResponse`, encoded. A clone is the same bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resources {
    encoded: Bytes,
    count: usize,
}

impl Resources {
    /// How many they are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// What they add to the size of a response, in bytes.
    pub fn wire_len(&self) -> usize {
        self.encoded.len()
    }

    /// They themselves. Fields of a message that follow each other are one field, so this is a response that has no other.
    pub fn decode(&self) -> Vec<Any> {
        let response = DiscoveryResponse::decode(self.encoded.clone());
        response.expect("encoded in here alone").resources
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        self.encoded
    }
}

impl FromIterator<Any> for Resources {
    fn from_iter<T: IntoIterator<Item = Any>>(resources: T) -> Self {
        let mut encoded = BytesMut::new();
        let mut count = 0;
        for resource in resources {
            prost::encoding::message::encode(FIELD, &resource, &mut encoded);
            count += 1;
        }
        Self {
            encoded: encoded.freeze(),
            count,
        }
    }
}

impl From<Vec<Any>> for Resources {
    fn from(resources: Vec<Any>) -> Self {
        resources.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{fixtures::resource, wire_len};

    #[test]
    fn resources_are_what_they_were_and_as_long_as_they_say() {
        let all: Vec<_> = ["a", "b", "a longer one"].map(resource).into();
        let encoded = Resources::from(all.clone());
        assert_eq!(encoded.len(), 3);
        assert_eq!(encoded.wire_len(), all.iter().map(wire_len).sum::<usize>());
        assert_eq!(encoded.decode(), all);
        assert!(Resources::default().decode().is_empty());
    }
}
