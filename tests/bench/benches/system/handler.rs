//! An ext_authz handler that says yes to everything, in a process of its own, served as the enforcer serves.

use std::path::PathBuf;

use rescind_proto::envoy::service::auth::v3::{
    CheckRequest, CheckResponse,
    authorization_server::{Authorization, AuthorizationServer},
};
use rescind_runtime::tls::{self, ClientAuth, Identity, TlsListener, Trust};
use rescind_stack::Stack;
use tokio::process::{Child, Command};
use tonic::{Request, Response, Status};

const ROLE: &str = "BENCH_HANDLER";

struct Nothing;

#[tonic::async_trait]
impl Authorization for Nothing {
    async fn check(&self, _: Request<CheckRequest>) -> Result<Response<CheckResponse>, Status> {
        Ok(Response::new(CheckResponse::default()))
    }
}

pub(crate) fn is_asked_for() -> bool {
    std::env::var_os(ROLE).is_some()
}

/// Starts it, on this port, as the enforcer of this stack.
pub(crate) fn start(stack: &Stack, port: u16) -> Child {
    let identity = stack.certs().identity("enforcer");
    Command::new(std::env::current_exe().unwrap())
        .args([identity.cert, identity.key, stack.certs().ca()])
        .env(ROLE, port.to_string())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// Serves until it is killed.
pub(crate) async fn serve() {
    let port = std::env::var(ROLE).unwrap().parse().unwrap();
    let mut paths = std::env::args().skip(1).map(PathBuf::from);
    let mut path = || paths.next().unwrap();
    let identity = Identity::new(path(), path());
    let auth = ClientAuth::Required(Trust::load(path()).unwrap());
    let config = tls::server_config(&identity, &auth, tls::ALPN_H2).unwrap();
    let listener = TlsListener::bind("127.0.0.1", port, config).await.unwrap();
    tonic::transport::Server::builder()
        .add_service(AuthorizationServer::new(Nothing))
        .serve_with_incoming(listener)
        .await
        .unwrap();
}
