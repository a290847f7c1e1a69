//! The largest response of a full sync in each form: below what a default client takes, whatever there is to send.

use crate::{
    Sizes,
    adapter::Running,
    fleet::{Fleet, Plan},
    ground::Ground,
    report::print,
    stream::Form,
};

pub(crate) fn run(sizes: &Sizes) {
    for tokens in [40_000, 1_000_000] {
        let tokens = sizes.of(tokens) as u64;
        let ground = Ground::new();
        ground.ledger("ledger", tokens);
        let adapter = Running::start(&ground, "ledger", tokens);
        for (form, name) in [
            (Form::Tokens, "StreamTokens"),
            (Form::Names, "DeltaTokens RevokedToken"),
            (Form::Range, "DeltaTokens Range"),
        ] {
            let mut fleet = Fleet::new();
            fleet.open(&Plan {
                port: adapter.port,
                tls: ground.client_tls(),
                form,
                count: 1,
                at_once: 1,
                place: tokens,
            });
            let case = format!("{name}, {tokens}");
            let largest = fleet.largest();
            assert!(largest < 4 << 20, "{case}: {largest} bytes");
            print("messages.largest_mb", &case, largest as f64 / 1e6, "MB");
            let each = fleet.bytes() as f64 / tokens as f64;
            match form {
                Form::Range => print("wire.bytes_per_token", &tokens.to_string(), each, "B"),
                _ => print("wire.bytes_per_token", &case, each, "B"),
            }
        }
    }
}
