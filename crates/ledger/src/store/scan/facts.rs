//! What the pages say of the ledger as a whole. A page that is free, or an older one, may say otherwise: what has not its
//! checksum is not believed, and a file of a form without checksums is believed in nothing.

use std::{collections::BTreeMap, convert::Infallible, io};

use super::leaf::{Cell, Field, Leaf, record};
use crate::{
    Epoch,
    epochs::Span,
    store::{
        facts::{EPOCHS_SUM, META_SUM, Meta, Sum, is_checksum},
        pages::Pages,
    },
};

/// No row of these tables is longer.
const LONGEST: usize = 256;

/// The rows of one page that may be `meta`.
type Named = BTreeMap<String, Option<i64>>;

/// The pages that may be those of `meta` and `epochs`.
#[derive(Default)]
pub(super) struct Tables {
    metas: Vec<Named>,
    epochs: Vec<Vec<(i64, Span)>>,
}

impl Tables {
    /// Takes a page for what it may be, by the forms of its rows.
    pub(super) fn take(&mut self, leaf: &Leaf<'_>, pages: &Pages) -> io::Result<()> {
        let (mut named, mut spans) = (Named::new(), Vec::new());
        for cell in leaf.cells.iter().filter(|cell| cell.length <= LONGEST) {
            let Some(bytes) = pages.payload(cell)? else {
                continue;
            };
            named.extend(name(&bytes));
            spans.extend(span(cell, &bytes));
        }
        if !named.is_empty() {
            self.metas.push(named);
        }
        if !spans.is_empty() {
            self.epochs.push(spans);
        }
        Ok(())
    }

    /// What `meta` says, where one page of it has its checksum, and no second one that says otherwise.
    fn named(&self) -> Option<&Named> {
        let mut whole = self.metas.iter().filter(|named| is_whole(named));
        let one = whole.next()?;
        whole.all(|other| other == one).then_some(one)
    }

    pub(super) fn meta(&self) -> Option<Meta> {
        let named = self.named()?;
        let value = |name: &str| Ok::<_, Infallible>(named.get(name).copied().flatten());
        let Ok(meta) = Meta::of(value);
        Some(meta)
    }

    /// The epochs: they stand in one page, or in all that look like it.
    pub(super) fn epochs(&self) -> Vec<Span> {
        let sum = self
            .named()
            .and_then(|named| named.get(EPOCHS_SUM).copied());
        let Some(Some(sum)) = sum else {
            return Vec::new();
        };
        let mut all = self.epochs.concat();
        all.sort_by_key(|(opening, _)| *opening);
        let mut found = self.epochs.iter().chain([&all]);
        let found = found.find(|spans| sum_of(spans) == sum);
        let spans = found.into_iter().flatten();
        spans.map(|(_, span)| *span).collect()
    }
}

fn is_whole(named: &Named) -> bool {
    let mut sum = Sum::default();
    for (name, value) in named.iter().filter(|(name, _)| !is_checksum(name)) {
        sum.text(name.as_bytes());
        sum.number_or_null(*value);
    }
    named.get(META_SUM).copied().flatten() == Some(sum.finish())
}

fn sum_of(spans: &[(i64, Span)]) -> i64 {
    let mut sum = Sum::default();
    for (opening, span) in spans {
        sum.number(*opening);
        sum.number(span.epoch.0.into());
        sum.number(span.first.cast_signed());
        sum.number_or_null(span.last.map(u64::cast_signed));
    }
    sum.finish()
}

fn name(bytes: &[u8]) -> Option<(String, Option<i64>)> {
    let fields = record(bytes)?;
    let [Field::Bytes(name), ref value] = fields[..] else {
        return None;
    };
    let value = match value {
        Field::Null => None,
        Field::Number(value) => Some(*value),
        Field::Bytes(_) => return None,
    };
    Some((String::from_utf8(name.to_vec()).ok()?, value))
}

fn span(cell: &Cell<'_>, bytes: &[u8]) -> Option<(i64, Span)> {
    let fields = record(bytes)?;
    let [
        Field::Null,
        Field::Number(epoch),
        Field::Number(first),
        ref last,
    ] = fields[..]
    else {
        return None;
    };
    let span = Span {
        epoch: Epoch(u32::try_from(epoch).ok()?),
        first: u64::try_from(first).ok()?,
        last: match last {
            Field::Null => None,
            Field::Number(last) => Some(u64::try_from(*last).ok()?),
            Field::Bytes(_) => return None,
        },
    };
    Some((cell.row, span))
}
