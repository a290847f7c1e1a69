//! Compiles `proto/wso2` and `proto/rescind` without an installed `protoc`. Envoy's and Google's messages are those of `envoy-types`.

use std::{error::Error, path::PathBuf};

const SOURCES: [&str; 4] = [
    "rescind/v1/peers.proto",
    "rescind/v1/range.proto",
    "wso2/discovery/keymgt/revoked_tokens.proto",
    "wso2/discovery/service/keymgt/revoked_tokens_ds.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../proto");
    println!("cargo:rerun-if-changed={}", root.display());

    let descriptors = protox::compile(SOURCES, [&root, &root.join("third_party")])?;
    tonic_prost_build::configure()
        .extern_path(".envoy", "::envoy_types::pb::envoy")
        .extern_path(".google", "::envoy_types::pb::google")
        .compile_fds(descriptors)?;
    Ok(())
}
