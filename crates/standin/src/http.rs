//! The endpoints. Paths, parameters and answers are API Manager's, but for `/standin/v1`, which is ours.

mod answer;
mod credentials;
mod data;
mod devportal;
mod own;
mod revoke;
mod token;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::{get, post};

use crate::keys::KeySet;
use crate::plane::ControlPlane;

type Plane = State<Arc<ControlPlane>>;

/// Everything that the control plane answers.
pub fn router(plane: Arc<ControlPlane>) -> Router {
    Router::new()
        .route("/oauth2/token", post(token::issue))
        .route("/oauth2/revoke", post(revoke::revoke))
        .route("/oauth2/jwks", get(key_set))
        .nest("/api/am/devportal/v3", devportal::router())
        .route("/internal/data/v1/revokedjwt", get(data::revoked))
        .nest("/standin/v1", own::router())
        .layer(map_response(name_the_server))
        .with_state(plane)
}

async fn key_set(State(plane): Plane) -> axum::Json<KeySet> {
    axum::Json(plane.keys.token.key_set())
}

async fn name_the_server(mut response: Response) -> Response {
    let name = HeaderValue::from_static("WSO2 Carbon Server");
    response.headers_mut().insert(header::SERVER, name);
    response
}
