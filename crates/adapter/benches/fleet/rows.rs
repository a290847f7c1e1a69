//! The rows, each a function that prints its figures.

#[path = "rows/bulk.rs"]
pub(crate) mod bulk;
#[path = "rows/coldstart.rs"]
pub(crate) mod coldstart;
#[path = "rows/failover.rs"]
pub(crate) mod failover;
#[path = "rows/fanout.rs"]
pub(crate) mod fanout;
#[path = "rows/many.rs"]
pub(crate) mod many;
#[path = "rows/messages.rs"]
pub(crate) mod messages;
#[path = "rows/resume.rs"]
pub(crate) mod resume;
#[path = "rows/storm.rs"]
pub(crate) mod storm;
