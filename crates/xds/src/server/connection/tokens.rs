//! A state-of-the-world stream, used additively: everything after a version in chunks, then what is new.

use rescind_proto::envoy::service::discovery::v3::{DeltaDiscoveryResponse, DiscoveryResponse};
use tokio::time::Instant;

use super::{
    Connection, StreamId,
    compose::{Found, Piece, Step, look},
    range::FAR_BEHIND,
    session::{Form, Part},
};
use crate::{
    Audience, Head, Position, RANGE_TYPE_URL, Resources, Source, TYPE_URL,
    server::{frame::Reply, refusals::Range},
    wire::control_plane,
};

/// Resources that go out together.
struct Load {
    from: Position,
    to: Position,
    resources: Resources,
}

impl Connection {
    pub(super) fn next_tokens<S: Source + ?Sized>(
        &mut self,
        id: StreamId,
        source: &S,
        head: Head,
        now: Instant,
    ) -> Step {
        let limits = self.limits();
        let heartbeat = self.settings.heartbeat;
        let Some(session) = self.sessions.get_mut(&id) else {
            return Step::Superseded;
        };
        let Some(client) = self.clients.get_mut(&session.instance) else {
            return Step::Superseded;
        };
        let rescind = session.audience == Audience::Rescind;
        let far_behind = session.at.0 + FAR_BEHIND < session.goal.0;
        if far_behind && !session.enter(id, &self.gate, now + self.settings.place_time) {
            return match session.must_speak(head, now, heartbeat) {
                true => self.say_nothing(id, source, head, now),
                false => Step::Wait(rescind.then(|| session.spoke_at + heartbeat)),
            };
        }
        let audience = session.audience;
        let read = |from, to, bytes| {
            let chunk = source.read(from, to, audience, bytes);
            Piece {
                count: chunk.resources.len(),
                bytes: chunk.resources.wire_len(),
                load: chunk.resources,
                to: chunk.to,
            }
        };
        let found = look(
            session.at,
            head.position,
            &mut client.refusals,
            &limits,
            read,
        );
        match found {
            Found::Load { from, to, load, .. } => {
                let load = Load {
                    from,
                    to,
                    resources: load,
                };
                self.send_tokens(id, load, source, head, now)
            }
            Found::Nothing { to, filtered } => {
                let from = session.at;
                session.place = None;
                if filtered || session.must_speak(head, now, heartbeat) {
                    session.at = to;
                    return self.send_tokens(id, Load::empty(from, to), source, head, now);
                }
                session.pass(to);
                Step::Wait(rescind.then(|| session.spoke_at + heartbeat))
            }
            Found::TooLarge { at, bytes } => Step::TooLarge { at, bytes },
        }
    }

    /// An empty response at the position that the client has.
    pub(super) fn say_nothing<S: Source + ?Sized>(
        &mut self,
        id: StreamId,
        source: &S,
        head: Head,
        now: Instant,
    ) -> Step {
        let Some(session) = self.sessions.get(&id) else {
            return Step::Superseded;
        };
        let (at, acked) = (session.at, session.acked);
        let (type_url, identified) = match session.form {
            Form::Tokens => return self.send_tokens(id, Load::empty(at, at), source, head, now),
            Form::Range(_) => (RANGE_TYPE_URL, true),
            Form::Names(_) => (TYPE_URL, false),
        };
        let response = DeltaDiscoveryResponse {
            system_version_info: source.version(acked),
            type_url: type_url.to_owned(),
            control_plane: identified
                .then(|| control_plane(&source.version(head.position), head.complete)),
            ..DeltaDiscoveryResponse::default()
        };
        let range = Range {
            from: at,
            to: at,
            resources: 0,
            bytes: 0,
        };
        self.sent(id, Reply::delta(response), range, Part::Aside, head, now)
    }

    fn send_tokens<S: Source + ?Sized>(
        &mut self,
        id: StreamId,
        load: Load,
        source: &S,
        head: Head,
        now: Instant,
    ) -> Step {
        let Some(session) = self.sessions.get_mut(&id) else {
            return Step::Superseded;
        };
        if !session.answered && session.acked == Position(0) {
            session.whole_at = Some(head.position);
        }
        let identified = session.audience == Audience::Rescind;
        let range = Range {
            from: load.from,
            to: load.to,
            resources: load.resources.len(),
            bytes: load.resources.wire_len(),
        };
        let response = DiscoveryResponse {
            version_info: source.version(load.to),
            type_url: TYPE_URL.to_owned(),
            control_plane: identified
                .then(|| control_plane(&source.version(head.position), head.complete)),
            ..DiscoveryResponse::default()
        };
        let reply = Reply::state(response, load.resources);
        self.sent(id, reply, range, Part::Live, head, now)
    }
}

impl Load {
    fn empty(from: Position, to: Position) -> Self {
        Self {
            from,
            to,
            resources: Resources::default(),
        }
    }
}
