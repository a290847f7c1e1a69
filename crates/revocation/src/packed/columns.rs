//! The columns of one section while it is being packed.

use super::{HEADER, ID};

/// Identifiers and values of one kind, each together.
#[derive(Debug, Default)]
pub(super) struct Columns {
    ids: Vec<u8>,
    values: Vec<u8>,
}

impl Columns {
    pub(super) fn push(&mut self, id: &[u8; ID], value: &[u8]) {
        self.ids.extend_from_slice(id);
        self.values.extend_from_slice(value);
    }

    pub(super) fn encoded_len(&self) -> usize {
        match self.ids.len() + self.values.len() {
            0 => 0,
            len => HEADER + len,
        }
    }

    /// Writes the section, or nothing where there are no entries.
    pub(super) fn write(&self, kind: u8, bytes: &mut Vec<u8>) {
        if self.ids.is_empty() {
            return;
        }
        let count = u32::try_from(self.ids.len() / ID)
            .expect("a range of 2^32 entries would not fit into any message");
        bytes.push(kind);
        bytes.extend_from_slice(&count.to_be_bytes());
        bytes.extend_from_slice(&self.ids);
        bytes.extend_from_slice(&self.values);
    }
}
