//! What one client has refused, and how the range is tried again: halved until the entry it refuses stands alone.
//!
//! A refused range becomes a piece; a piece is sent by itself, in halves, and cut once it is accepted. A response of
//! one entry that is refused is skipped from then on. In between the client is left alone for a while (`Hold`).

use std::{
    collections::{BTreeMap, VecDeque},
    ops::Bound,
    time::Duration,
};

use tokio::time::Instant;

use super::Settings;
use crate::Position;

/// The refusals of one client on one connection.
#[derive(Debug)]
pub(super) struct Refusals {
    /// Disjoint, in order.
    pieces: VecDeque<Piece>,
    /// Ends and starts of ranges that are not sent again; neighbours are joined.
    skipped: BTreeMap<Position, Position>,
    skipped_entries: usize,
    /// Entries skipped with nothing accepted in between.
    in_a_row: usize,
    hold: Option<Hold>,
    /// How long the same content waits when it is refused again.
    wait: Duration,
    first_wait: Duration,
    max_wait: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Piece {
    from: Position,
    to: Position,
    /// Sent in responses of at most so many bytes; the whole where `None`.
    max_bytes: Option<usize>,
}

#[derive(Debug, Clone, Copy)]
struct Hold {
    until: Instant,
    /// New content ends the hold too.
    head: Position,
}

/// A response that was answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Range {
    pub(super) from: Position,
    pub(super) to: Position,
    pub(super) resources: usize,
    pub(super) bytes: usize,
}

/// What a refusal led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Tried again later: the first refusal of a range, or one of an empty response.
    Held,
    /// Its halves follow at once.
    Halved,
    /// It stood alone: not sent to this client again.
    Skipped,
}

/// What may go out next to a client that is at some position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plan {
    /// Everything up to the head is there.
    Nothing,
    /// Up to here everything is skipped.
    Skip(Position),
    /// One response from the range up to `to`.
    Send { to: Position, max_bytes: usize },
}

impl Refusals {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            pieces: VecDeque::new(),
            skipped: BTreeMap::new(),
            skipped_entries: 0,
            in_a_row: 0,
            hold: None,
            wait: settings.nack_hold,
            first_wait: settings.nack_hold,
            max_wait: settings.nack_hold_max,
        }
    }

    /// Nothing to remember.
    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty() && self.skipped.is_empty() && self.hold.is_none()
    }

    /// Something that was refused is still to be tried again.
    pub(super) fn in_doubt(&self) -> bool {
        !self.pieces.is_empty()
    }

    /// How many entries this client does not get.
    pub(super) fn skipped_entries(&self) -> usize {
        self.skipped_entries
    }

    /// Until when nothing goes out, if so.
    pub(super) fn held_until(&mut self, head: Position, now: Instant) -> Option<Instant> {
        self.hold = self
            .hold
            .filter(|hold| now < hold.until && head == hold.head);
        self.hold.map(|hold| hold.until)
    }

    pub(super) fn plan(&self, at: Position, head: Position, max_bytes: usize) -> Plan {
        let mut plan_to = head;
        let mut plan_bytes = max_bytes;
        if let Some((&to, &from)) = self
            .skipped
            .range((Bound::Excluded(at), Bound::Unbounded))
            .next()
        {
            if from <= at {
                return Plan::Skip(to);
            }
            plan_to = plan_to.min(from);
        }
        if let Some(piece) = self.pieces.iter().find(|piece| piece.to > at) {
            if piece.from <= at {
                plan_to = plan_to.min(piece.to);
                plan_bytes = piece.max_bytes.unwrap_or(max_bytes).min(max_bytes);
            } else {
                plan_to = plan_to.min(piece.from);
            }
        }
        if plan_to <= at {
            return Plan::Nothing;
        }
        Plan::Send {
            to: plan_to,
            max_bytes: plan_bytes,
        }
    }

    /// A response that ends at `at` goes out: what is left of a piece that it halves goes out whole after it.
    pub(super) fn cut_at(&mut self, at: Position) {
        let halved = self
            .pieces
            .iter()
            .position(|piece| piece.from < at && at < piece.to && piece.max_bytes.is_some());
        if let Some(index) = halved {
            let piece = self.pieces[index];
            self.pieces[index] = Piece {
                to: at,
                max_bytes: None,
                ..piece
            };
            self.pieces.insert(
                index + 1,
                Piece {
                    from: at,
                    max_bytes: None,
                    ..piece
                },
            );
        }
    }

    /// The client has taken this range.
    pub(super) fn accepted(&mut self, range: Range) {
        self.forget(range.from, range.to);
        self.wait = self.first_wait;
        if range.resources > 0 {
            self.in_a_row = 0;
        }
    }

    /// The client has refused this range.
    pub(super) fn refused(&mut self, range: Range, head: Position, now: Instant) -> Verdict {
        match range.resources {
            0 => {
                self.hold_back(head, now);
                Verdict::Held
            }
            1 => {
                self.skip(range.from, range.to);
                self.refused_alone(head, now)
            }
            _ => {
                let first = self.pieces.is_empty();
                self.halve(range);
                if first {
                    self.hold_for(self.first_wait, head, now);
                    Verdict::Held
                } else {
                    Verdict::Halved
                }
            }
        }
    }

    /// The client has refused what lies in no range: who sends it knows what it was, and whether something else was `in_doubt`
    /// before.
    pub(super) fn refused_aside(
        &mut self,
        resources: usize,
        in_doubt: bool,
        head: Position,
        now: Instant,
    ) -> Verdict {
        if resources == 1 {
            self.skipped_entries += 1;
            return self.refused_alone(head, now);
        }
        if in_doubt {
            return Verdict::Halved;
        }
        self.hold_for(self.first_wait, head, now);
        Verdict::Held
    }

    fn refused_alone(&mut self, head: Position, now: Instant) -> Verdict {
        self.in_a_row += 1;
        // A client that refuses everything is not asked about each entry as fast as it can answer.
        if self.in_a_row > IN_A_ROW {
            self.hold_back(head, now);
        }
        Verdict::Skipped
    }

    /// Nothing of this range, which holds one entry, goes out again.
    pub(super) fn skip(&mut self, from: Position, to: Position) {
        self.forget(from, to);
        self.skipped_entries += 1;
        let from = self.skipped.remove(&from).unwrap_or(from);
        self.skipped.insert(to, from);
    }

    /// This range is no longer in doubt.
    pub(super) fn forget(&mut self, from: Position, to: Position) {
        if self.pieces.is_empty() || from >= to {
            return;
        }
        let mut kept = VecDeque::with_capacity(self.pieces.len() + 1);
        for piece in self.pieces.drain(..) {
            if piece.to <= from || to <= piece.from {
                kept.push_back(piece);
                continue;
            }
            if piece.from < from {
                kept.push_back(Piece { to: from, ..piece });
            }
            if to < piece.to {
                kept.push_back(Piece { from: to, ..piece });
            }
        }
        self.pieces = kept;
    }

    fn halve(&mut self, range: Range) {
        self.forget(range.from, range.to);
        let piece = Piece {
            from: range.from,
            to: range.to,
            max_bytes: Some(range.bytes / 2),
        };
        let index = self.pieces.partition_point(|other| other.to <= range.from);
        self.pieces.insert(index, piece);
    }

    /// The same content again: after a time that doubles.
    fn hold_back(&mut self, head: Position, now: Instant) {
        self.hold_for(self.wait, head, now);
        self.wait = (self.wait * 2).min(self.max_wait);
    }

    fn hold_for(&mut self, wait: Duration, head: Position, now: Instant) {
        self.hold = Some(Hold {
            until: now + wait,
            head,
        });
    }
}

/// So many entries may be refused alone, one after the other, before the client is given a rest.
const IN_A_ROW: usize = 64;

#[cfg(test)]
mod tests;
