//! Revocations as a Choreo Connect enforcer hears them.

use std::time::{Duration, Instant};

use rescind_proto::google::protobuf::value::Kind;
use tonic::transport::Channel;

use crate::{
    clients::{
        control_plane::jti,
        xds::{XdsStream, first_request},
    },
    world::World,
};

/// A stream of revoked tokens, as a Choreo Connect enforcer has it.
pub(super) struct Revocations<'a> {
    world: &'a World,
    stream: XdsStream,
}

impl<'a> Revocations<'a> {
    /// Of the instance `name`: another stream of the same name would take its place.
    pub(super) async fn on(world: &'a World, channel: Channel, name: &str) -> Self {
        let first = first_request(Kind::StringValue(name.into()));
        let stream = XdsStream::open(channel, first).await.unwrap();
        Self { world, stream }
    }

    /// Revokes a token and waits for it on this stream.
    pub(super) async fn go_on(&mut self) {
        let jti = revoke(self.world).await;
        self.arrival(&jti).await;
    }

    /// When a revocation arrives on this stream.
    async fn arrival(&mut self, jti: &str) -> Instant {
        let arrived = async {
            loop {
                let response = self.stream.next().await.unwrap().unwrap();
                self.stream.ack(&response).await;
                let holds = |value: &[u8]| {
                    value
                        .windows(jti.len())
                        .any(|window| window == jti.as_bytes())
                };
                if response.resources.iter().any(|any| holds(&any.value)) {
                    return Instant::now();
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(60), arrived)
            .await
            .expect("the revocation arrives")
    }
}

/// Revokes a token, and gives its identifier.
async fn revoke(world: &World) -> String {
    let token = world.control_plane().token().await;
    world.control_plane().revoke(&token).await;
    jti(&token)
}

/// How much later than on the one stream revocations arrive on the other: half of 20 of them no later than this.
pub(super) async fn median_delay(
    free: &mut Revocations<'_>,
    beside: &mut Revocations<'_>,
) -> Duration {
    let mut delays = Vec::new();
    for _ in 0..20 {
        let jti = revoke(free.world).await;
        let (free, beside) = tokio::join!(free.arrival(&jti), beside.arrival(&jti));
        delays.push(beside.saturating_duration_since(free));
    }
    delays.sort_unstable();
    delays[delays.len() / 2]
}
