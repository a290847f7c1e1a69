//! `make bench`: runs every benchmark of the workspace and holds its figures against the goals.
//!
//! A benchmark is a `[[bench]]` target of any member; it prints one JSON object for each figure and knows no goal. The
//! goals stand in one table, [`goals::GOALS`]. What comes of both is a [`row::Row`]: in a table on the terminal, in
//! `target/bench/results.json`, and in `docs/benchmarks.md`.

pub mod docs;
pub mod figure;
pub mod goals;
pub mod machine;
pub mod row;
pub mod run;
pub mod table;
pub mod targets;
