//! Generated messages and services of the wire between adapter and enforcer. Nothing here is written by hand but the
//! module tree; the sources are in `proto/`.
//!
//! Envoy's own types are those of [`envoy_types`], re-exported as [`envoy`] and [`google`] so that every room means the
//! same ones.

pub use envoy_types::pb::{envoy, google};

/// `rescind.*`: our own packages.
pub mod rescind {
    /// `rescind.v1`: ranges of a ledger, and statements about it, to enforcers and between adapters.
    #[allow(
        missing_docs,
        missing_debug_implementations,
        reason = "generated; the comments of the .proto sources are carried over"
    )]
    pub mod v1 {
        tonic::include_proto!("rescind.v1");
    }
}

/// `wso2.*`: the packages of WSO2 Choreo Connect.
pub mod wso2 {
    /// `wso2.discovery.*`.
    pub mod discovery {
        /// `wso2.discovery.keymgt`: the resources.
        #[allow(
            missing_docs,
            reason = "generated; the comments of the .proto sources are carried over"
        )]
        pub mod keymgt {
            tonic::include_proto!("wso2.discovery.keymgt");
        }

        /// `wso2.discovery.service.keymgt`: the services.
        pub mod service {
            /// `wso2.discovery.service.keymgt`.
            #[allow(missing_docs, missing_debug_implementations, reason = "generated")]
            pub mod keymgt {
                tonic::include_proto!("wso2.discovery.service.keymgt");
            }
        }
    }
}
