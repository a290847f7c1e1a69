//! What is known of the set as a whole, and how it stands in a record.

use rescind_revocation::{UnixMillis, UnixSeconds};

/// Cursors that are kept: one for each of the ledgers used last.
const MAX_CURSORS: usize = 16;

/// What is known of the set as a whole. Small: each record holds all of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// Places that are held, by ledger id, the one used last at the end. Over `StreamTokens` there is one ledger, `""`.
    cursors: Vec<(Box<str>, Box<str>)>,
    /// Before this second the adapter has dropped expired entries.
    pub horizon: UnixSeconds,
    /// Whether an adapter has said that the set is whole; what came later only added to it.
    pub complete: bool,
    /// Whether it was taken for whole, by an adapter that cannot say so. Worth something only where that is allowed.
    pub unproven: bool,
    /// When an adapter said last that this is all there is.
    pub checkpoint: Option<Checkpoint>,
}

/// When an adapter was heard to say that what is held is all there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    /// By the wall clock.
    pub wall: UnixMillis,
    /// By CLOCK_BOOTTIME, in milliseconds: comparable within one boot.
    pub boot: u64,
}

const COMPLETE: u8 = 1;
const CHECKPOINT: u8 = 2;
const UNPROVEN: u8 = 4;

impl State {
    /// The place that is held in `ledger`; `""` where none is.
    pub fn cursor(&self, ledger: &str) -> &str {
        let held = self.cursors.iter().find(|(of, _)| &**of == ledger);
        held.map_or("", |(_, cursor)| cursor)
    }

    /// Each ledger and the place that is held in it, the one used last at the end.
    pub fn cursors(&self) -> impl Iterator<Item = (&str, &str)> {
        self.cursors
            .iter()
            .map(|(ledger, cursor)| (&**ledger, &**cursor))
    }

    /// The place in the ledger used last; `""` where nothing is held.
    pub fn newest_cursor(&self) -> &str {
        self.cursors.last().map_or("", |(_, cursor)| cursor)
    }

    /// `cursor` is held in `ledger`, which is the one used last. The ledger used longest ago is forgotten beyond sixteen.
    pub fn set_cursor(&mut self, ledger: &str, cursor: &str) {
        if let Some((of, held)) = self.cursors.last_mut()
            && &**of == ledger
        {
            if &**held != cursor {
                *held = cursor.into();
            }
            return;
        }
        self.cursors.retain(|(of, _)| &**of != ledger);
        self.cursors.push((ledger.into(), cursor.into()));
        if self.cursors.len() > MAX_CURSORS {
            self.cursors.remove(0);
        }
    }

    /// Appends the state to `bytes`: flags, horizon, checkpoint, then the cursors as texts with their lengths.
    pub(super) fn encode(&self, bytes: &mut Vec<u8>) {
        let complete = if self.complete { COMPLETE } else { 0 };
        let checkpoint = self.checkpoint.map_or(0, |_| CHECKPOINT);
        let unproven = if self.unproven { UNPROVEN } else { 0 };
        bytes.push(complete | checkpoint | unproven);
        bytes.extend(self.horizon.0.to_be_bytes());
        if let Some(Checkpoint { wall, boot }) = self.checkpoint {
            bytes.extend(wall.0.to_be_bytes());
            bytes.extend(boot.to_be_bytes());
        }
        // Sixteen at most.
        bytes.push(self.cursors.len() as u8);
        for text in self.cursors().flat_map(|(ledger, cursor)| [ledger, cursor]) {
            let length = u16::try_from(text.len()).unwrap_or(0);
            bytes.extend(length.to_be_bytes());
            bytes.extend(&text.as_bytes()[..length.into()]);
        }
    }

    /// What the machine knew before it started anew is worth nothing now: the last records may be missing, and moments by
    /// its clock are moments no more.
    pub(super) fn forget_boot(&mut self) {
        self.complete = false;
        self.unproven = false;
        self.checkpoint = None;
    }

    /// Takes a state off `bytes`; `None` where there is none.
    ///
    /// An older enforcer wrote *complete* for what was unproven too. Whoever says that a set is whole says that it is all
    /// there is: without such a moment it was unproven for certain.
    pub(super) fn decode(bytes: &mut &[u8]) -> Option<Self> {
        let [flags] = take(bytes)?;
        let horizon = UnixSeconds(u64::from_be_bytes(take(bytes)?));
        let checkpoint = match flags & CHECKPOINT {
            0 => None,
            _ => Some(Checkpoint {
                wall: UnixMillis(u64::from_be_bytes(take(bytes)?)),
                boot: u64::from_be_bytes(take(bytes)?),
            }),
        };
        let [count] = take(bytes)?;
        let cursors = (0..count).map(|_| Some((text(bytes)?, text(bytes)?)));
        let complete = flags & COMPLETE != 0;
        Some(Self {
            cursors: cursors.collect::<Option<_>>()?,
            horizon,
            complete: complete && checkpoint.is_some(),
            unproven: flags & UNPROVEN != 0 || complete && checkpoint.is_none(),
            checkpoint,
        })
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*taken)
}

fn text(bytes: &mut &[u8]) -> Option<Box<str>> {
    let length = u16::from_be_bytes(take(bytes)?);
    let (text, rest) = bytes.split_at_checked(length.into())?;
    *bytes = rest;
    Some(std::str::from_utf8(text).ok()?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut state = State::default();
        for (complete, checkpoint) in [
            (false, None),
            (
                true,
                Some(Checkpoint {
                    wall: UnixMillis(7),
                    boot: 8,
                }),
            ),
        ] {
            state.complete = complete;
            state.checkpoint = checkpoint;
            state.unproven = !complete;
            state.horizon.0 += 600;
            let mut bytes = Vec::new();
            state.encode(&mut bytes);
            bytes.push(9);
            let mut rest = &bytes[..];
            assert_eq!(State::decode(&mut rest), Some(state.clone()));
            assert_eq!(rest, [9]);
            for length in 0..bytes.len() - 1 {
                assert_eq!(State::decode(&mut &bytes[..length]), None, "{length}");
            }
            state.set_cursor("a", "1-0a0b0c0d");
        }
    }

    #[test]
    fn what_an_older_enforcer_called_complete_without_a_moment_was_unproven() {
        for (flags, moment, complete, unproven) in [
            (COMPLETE, &[][..], false, true),
            (COMPLETE | CHECKPOINT, &[0; 16], true, false),
            (CHECKPOINT, &[0; 16], false, false),
            (0, &[], false, false),
        ] {
            let bytes = [&[flags], &[0; 8][..], moment, &[0]].concat();
            let state = State::decode(&mut &bytes[..]).unwrap();
            assert_eq!((state.complete, state.unproven), (complete, unproven));
        }
    }

    #[test]
    fn the_ledgers_used_last_are_kept() {
        let mut state = State::default();
        assert_eq!((state.newest_cursor(), state.cursor("l3")), ("", ""));
        for n in 0..20 {
            state.set_cursor(&format!("l{n}"), &n.to_string());
            state.set_cursor("l3", "again");
        }
        assert_eq!(state.newest_cursor(), "again");
        assert_eq!(state.cursors().count(), 16);
        assert_eq!((state.cursor("l19"), state.cursor("l4")), ("19", ""));
    }
}
