//! Over a real socket with real TLS: what each endpoint answers, what reaches the hub, what the list holds.

mod api_keys;
mod app;
mod fixture;
mod log;
mod material;
mod own;
mod revoke;
mod revoked_list;
mod tokens;

use fixture::{ADMIN, APPLICATION, CLIENT, OTHER_CLIENT, Standin};
