//! What the streams tell the roster.

use std::time::Instant;

use rescind_revocation::UnixMillis;
use rescind_runtime::time::unix_now_millis;
use rescind_xds::{
    Position,
    server::{Client, ClientState, StreamStatus, Watch},
};

use super::{Live, Roster, State, Subscription, row};

impl Watch for Roster {
    fn opened(&self, client: &Client, acked: Position, head: Position) {
        let now = UnixMillis(unix_now_millis());
        let mut state = self.state();
        let id = state.row_of(client, now);
        let live = Live {
            stream: client.stream,
            row: id,
            acked: acked.0,
            passed: 0,
            head: head.0,
            method: client.method,
            takes_all: row::takes_all(client),
            subscription: match client.subscribes_to_all {
                true => Subscription::All,
                false => Subscription::Part,
            },
            address: client.address,
            opened_at: Instant::now(),
            heard_at: Instant::now(),
        };
        if let Some(row) = state.rows.get_mut(&id) {
            row.opened(client, acked.0, now);
        }
        if client.subscribes_to_all {
            self.join(&mut state, client, &live);
        }
        state.live.insert(client.stream, live);
        let enforcers = state.rows.len();
        drop(state);
        self.0.metrics.enforcers.set(enforcers as i64);
    }

    fn acked(&self, client: &Client, from: Position, to: Position) {
        let now = UnixMillis(unix_now_millis());
        let mut state = self.state();
        let State {
            live,
            rows,
            places,
            pending,
            ..
        } = &mut *state;
        let Some(stream) = live.get_mut(&client.stream) else {
            return;
        };
        stream.heard_at = Instant::now();
        let Some(row) = rows.get_mut(&stream.row) else {
            return;
        };
        match (stream.subscription, places.get_mut(&stream.row)) {
            (Subscription::All, Some(places)) => {
                // What it passed and was not said to have passed is taken with this.
                pending.acked(from.0.min(stream.acked), to.0, stream.head);
                places.go(stream.acked, to.0);
                stream.acked = to.0;
                row.acked(places.lowest(), now);
            }
            (Subscription::Part, _) => {
                stream.acked = to.0;
                row.acked_a_part(to.0, now);
            }
            // It left what it held; what it answers now says nothing of that.
            _ => row.seen(now),
        }
        self.observe(pending);
    }

    fn passed(&self, client: &Client, to: Position) {
        // Else something that is still to be sent may have replaced what lay before. It comes, or the client passes that too.
        if self.0.reader.head().sequence != to.0 {
            return;
        }
        let mut state = self.state();
        let State {
            live,
            rows,
            places,
            pending,
            ..
        } = &mut *state;
        let Some(stream) = live.get_mut(&client.stream) else {
            return;
        };
        let row = rows.get_mut(&stream.row);
        let Some((row, places)) = row.zip(places.get_mut(&stream.row)) else {
            return;
        };
        if stream.subscription == Subscription::All {
            pending.passed(stream.acked, to.0, stream.head);
            places.go(stream.acked, to.0);
            stream.acked = to.0;
            stream.passed = to.0;
            row.passed(places.lowest());
        }
        self.observe(pending);
    }

    fn subscribed(&self, client: &Client, to_all: bool, acked: Position) {
        let mut state = self.state();
        let Some(mut stream) = state.live.get(&client.stream).copied() else {
            return;
        };
        let before = stream;
        stream.heard_at = Instant::now();
        stream.acked = if to_all { acked.0 } else { 0 };
        stream.subscription = match (to_all, before.subscription) {
            (true, _) => Subscription::All,
            (false, Subscription::Part) => Subscription::Part,
            (false, _) => Subscription::Left,
        };
        if to_all {
            // What was published before is not counted as pushed to it.
            stream.head = self.0.reader.head().sequence;
        }
        if before.subscription == Subscription::All {
            state.pending.left(before.acked, before.head);
        }
        if before.subscription == Subscription::Part {
            if to_all {
                self.join(&mut state, client, &stream);
            }
        } else {
            let State { rows, places, .. } = &mut *state;
            if let Some((row, places)) = rows.get_mut(&stream.row).zip(places.get_mut(&stream.row))
            {
                places.go(before.acked, stream.acked);
                row.acked(places.lowest(), UnixMillis(unix_now_millis()));
            }
        }
        state.live.insert(client.stream, stream);
        self.observe(&mut state.pending);
    }

    fn closed(&self, client: &Client, acked: Position) {
        let now = UnixMillis(unix_now_millis());
        let mut state = self.state();
        let State {
            live,
            rows,
            places,
            pending,
            ..
        } = &mut *state;
        let Some(stream) = live.remove(&client.stream) else {
            return;
        };
        let acked = match stream.subscription {
            // It may have passed something since, of which nothing was said because the head had moved.
            Subscription::All => acked.0.min(stream.acked),
            Subscription::Left | Subscription::Part => 0,
        };
        if stream.subscription == Subscription::All {
            pending.left(acked, stream.head);
        }
        let Some(row) = rows.get_mut(&stream.row) else {
            return self.observe(pending);
        };
        row.closed(now);
        if stream.subscription != Subscription::Part
            && let Some(of_row) = places.get_mut(&stream.row)
        {
            let silent = || live.values().any(|other| other.may_be_again(&stream));
            let away = of_row.end(&stream, acked, silent);
            row.left(away, (of_row.count(), of_row.lowest()), now);
            if of_row.count() == 0 {
                places.remove(&stream.row);
            }
        }
        self.observe(pending);
    }

    fn changed(&self, status: StreamStatus) {
        let mut state = self.state();
        let State { live, rows, .. } = &mut *state;
        let Some(stream) = live.get_mut(&status.stream) else {
            return;
        };
        // That an ACK is late is no word of the client.
        if status.state != ClientState::Stale {
            stream.heard_at = Instant::now();
        }
        if let Some(row) = rows.get_mut(&stream.row) {
            // Who takes a part says nothing of who takes all under the same name.
            if stream.subscription == Subscription::All || !row.subscribes_to_all {
                row.changed(&status);
            }
        }
    }
}

impl Roster {
    /// A stream subscribes to all, from its opening or by now.
    fn join(&self, state: &mut State, client: &Client, stream: &Live) {
        let State { rows, places, .. } = state;
        let Some(row) = rows.get_mut(&stream.row) else {
            return;
        };
        let places = places.entry(stream.row).or_default();
        let others = places.count();
        places.come(stream, row.away_beside(others));
        let ledger = self.0.reader.ledger_id().to_string();
        row.joined(client, others, places.lowest(), &ledger);
    }
}
