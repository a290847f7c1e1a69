//! Ten thousand streams: the whole size of what the black-box cases test at a hundredth of it.

use super::fanout;
use crate::Sizes;

pub(crate) fn run(sizes: &Sizes) {
    fanout::once(sizes.of(10_000), 5);
}
