//! What the people around the system do, over the same doors: the control plane's user, the API's caller, a publisher on
//! the hub, an xDS client and an ext_authz client.

pub(crate) mod control_plane;
pub(crate) mod elsewhere;
pub(crate) mod ext_authz;
pub(crate) mod frames;
pub(crate) mod gate;
pub(crate) mod gateway;
pub(crate) mod hub;
pub(crate) mod proxy;
pub(crate) mod raw;
pub(crate) mod scripted_adapter;
pub(crate) mod serving;
pub(crate) mod their_adapter;
pub(crate) mod tls;
pub(crate) mod websocket;
pub(crate) mod xds;
