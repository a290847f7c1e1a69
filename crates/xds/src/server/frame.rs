//! A response as bytes: what is of one stream alone, and what all streams at the same place share.
//!
//! The fields of a protobuf message may come in any order. So the part that is large, and the same for many, goes last, by
//! reference; what comes before it is small and made for each stream.

use bytes::{BufMut as _, Bytes};
use prost::{
    Message,
    encoding::{WireType, encode_key, encode_varint},
};
use rescind_proto::{
    envoy::service::discovery::v3::{DeltaDiscoveryResponse, DiscoveryResponse, Resource},
    google::protobuf::Any,
    rescind::v1::Range,
};

use crate::{RANGE_TYPE_URL, Resources, wire::LOG};

/// Up to here a copy costs less than a second piece.
const SMALL: usize = 4096;

/// A response of either method.
#[derive(Debug)]
pub(super) struct Reply {
    message: Kind,
    tail: Tail,
}

#[derive(Debug)]
enum Kind {
    State(DiscoveryResponse),
    Delta(DeltaDiscoveryResponse),
}

/// The last field of a response, encoded: its beginning, and what it ends with.
#[derive(Debug, Default)]
struct Tail {
    head: Vec<u8>,
    shared: Bytes,
}

/// A message of gRPC, with its prefix. The parts follow each other.
#[derive(Debug, Default)]
pub(super) struct Frame {
    pub(super) own: Bytes,
    /// May be empty.
    pub(super) shared: Bytes,
}

impl Reply {
    /// A state of the world: `response`, which has no resources of its own, with `resources`.
    pub(super) fn state(response: DiscoveryResponse, resources: Resources) -> Self {
        Self {
            message: Kind::State(response),
            tail: Tail {
                head: Vec::new(),
                shared: resources.into_bytes(),
            },
        }
    }

    /// An incremental response.
    pub(super) fn delta(response: DeltaDiscoveryResponse) -> Self {
        Self {
            message: Kind::Delta(response),
            tail: Tail::default(),
        }
    }

    /// An incremental response with a log: `range`, which has no entries of its own, with `entries`.
    pub(super) fn with_log(
        response: DeltaDiscoveryResponse,
        range: &Range,
        entries: Bytes,
    ) -> Self {
        let tail = log(&response.system_version_info, range, entries);
        Self {
            message: Kind::Delta(response),
            tail,
        }
    }

    pub(super) fn set_nonce(&mut self, nonce: String) {
        match &mut self.message {
            Kind::State(response) => response.nonce = nonce,
            Kind::Delta(response) => response.nonce = nonce,
        }
    }

    /// The version that the client has once it has taken it.
    pub(super) fn version(&self) -> &str {
        match &self.message {
            Kind::State(response) => &response.version_info,
            Kind::Delta(response) => &response.system_version_info,
        }
    }

    /// As it goes out.
    pub(super) fn into_frame(self) -> Frame {
        let Self { message, tail } = self;
        match message {
            Kind::State(response) => frame(&response, tail),
            Kind::Delta(response) => frame(&response, tail),
        }
    }
}

fn frame(response: &impl Message, Tail { head, shared }: Tail) -> Frame {
    let own = response.encoded_len() + head.len();
    let copied = if shared.len() <= SMALL {
        shared.len()
    } else {
        0
    };
    let mut out = Vec::with_capacity(PREFIX + own + copied);
    // Not compressed, and the length; a response is far below 4 GiB.
    out.put_u8(0);
    out.put_u32((own + shared.len()) as u32);
    response.encode(&mut out).expect("a Vec has room");
    out.put_slice(&head);
    out.put_slice(&shared[..copied]);
    Frame {
        own: out.into(),
        shared: if copied > 0 { Bytes::new() } else { shared },
    }
}

/// The resource `log` with `entries` at its very end.
fn log(version: &str, range: &Range, entries: Bytes) -> Tail {
    let resource = Resource {
        name: LOG.to_owned(),
        version: version.to_owned(),
        ..Resource::default()
    };
    let any = Any {
        type_url: RANGE_TYPE_URL.to_owned(),
        value: Vec::new(),
    };
    // From the inside out: each message is what is known of it, and the one field that is still open.
    let mut open = Open {
        head: Vec::new(),
        rest: entries.len(),
    };
    if !entries.is_empty() {
        open.wrap(ENTRIES);
    }
    open.precede(range);
    open.wrap(VALUE);
    open.precede(&any);
    open.wrap(RESOURCE);
    open.precede(&resource);
    open.wrap(RESOURCES);
    Tail {
        head: open.head,
        shared: entries,
    }
}

/// The beginning of something that goes on for `rest` bytes.
struct Open {
    head: Vec<u8>,
    rest: usize,
}

impl Open {
    /// All of it becomes the field `number` of a message.
    fn wrap(&mut self, number: u32) {
        let mut head = Vec::with_capacity(self.head.len() + 8);
        encode_key(number, WireType::LengthDelimited, &mut head);
        encode_varint((self.head.len() + self.rest) as u64, &mut head);
        head.append(&mut self.head);
        self.head = head;
    }

    /// The other fields of that message come first.
    fn precede(&mut self, message: &impl Message) {
        let mut head = message.encode_to_vec();
        head.append(&mut self.head);
        self.head = head;
    }
}

/// The numbers of `Range.entries`, `Any.value`, `Resource.resource` and `DeltaDiscoveryResponse.resources`.
const ENTRIES: u32 = 5;
const VALUE: u32 = 2;
const RESOURCE: u32 = 2;
const RESOURCES: u32 = 2;

/// Of a message of gRPC: whether it is compressed, and its length.
const PREFIX: usize = 5;

#[cfg(test)]
impl Reply {
    /// What a client makes of it.
    #[track_caller]
    pub(super) fn decode<M: Message + Default>(self) -> M {
        let Frame { own, shared } = self.into_frame();
        let message = [&own[PREFIX..], &shared].concat();
        let length = u32::from_be_bytes(own[1..PREFIX].try_into().expect("a prefix"));
        assert_eq!((own[0], length as usize), (0, message.len()));
        M::decode(&*message).expect("a response")
    }

    pub(super) fn is_state(&self) -> bool {
        matches!(self.message, Kind::State(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::resource;

    fn range(entries: &[u8]) -> Range {
        Range {
            ledger: "0a".to_owned(),
            to: "7-0a".to_owned(),
            base: 9,
            entries: entries.to_vec(),
            ..Range::default()
        }
    }

    #[test]
    fn a_log_reads_as_if_it_had_been_encoded_in_one_piece() {
        for length in [0, 1, 127, 128, SMALL, SMALL + 1, 70_000] {
            let entries = Bytes::from(vec![7; length]);
            let response = DeltaDiscoveryResponse {
                system_version_info: "7-0a".to_owned(),
                nonce: "n".to_owned(),
                ..DeltaDiscoveryResponse::default()
            };
            let reply = Reply::with_log(response.clone(), &range(&[]), entries.clone());
            let expected = DeltaDiscoveryResponse {
                resources: vec![Resource {
                    name: LOG.to_owned(),
                    version: "7-0a".to_owned(),
                    resource: Some(Any {
                        type_url: RANGE_TYPE_URL.to_owned(),
                        value: range(&entries).encode_to_vec(),
                    }),
                    ..Resource::default()
                }],
                ..response
            };
            // The order of the fields is another one, so not the bytes are compared.
            let decoded: DeltaDiscoveryResponse = reply.decode();
            let body = |response: &DeltaDiscoveryResponse| {
                let any = response.resources[0].resource.clone().expect("a body");
                Range::decode(&*any.value).expect("a range")
            };
            assert_eq!(body(&decoded), body(&expected));
            let without = |mut response: DeltaDiscoveryResponse| {
                response.resources[0].resource = None;
                response
            };
            assert_eq!(without(decoded), without(expected));
        }
    }

    #[test]
    fn what_is_large_is_not_copied() {
        let entries = Bytes::from(vec![7; SMALL + 1]);
        let reply = Reply::with_log(
            DeltaDiscoveryResponse::default(),
            &range(&[]),
            entries.clone(),
        );
        let frame = reply.into_frame();
        assert_eq!(frame.shared.as_ptr(), entries.as_ptr());
        assert!(frame.own.len() < 200);
    }

    #[test]
    fn a_state_of_the_world_has_its_resources() {
        let resources = vec![resource("a"), resource("b")];
        let response = DiscoveryResponse {
            version_info: "2".to_owned(),
            ..DiscoveryResponse::default()
        };
        let reply = Reply::state(response.clone(), resources.clone().into());
        let expected = DiscoveryResponse {
            resources,
            ..response
        };
        assert_eq!(reply.decode::<DiscoveryResponse>(), expected);
    }
}
