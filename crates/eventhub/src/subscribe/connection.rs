//! A connection to one broker: TCP, TLS with our own settings, and the AMQP handshake, each within a time limit.

use std::{
    io,
    net::{Shutdown, TcpStream},
    os::fd::AsFd,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use lapin::{
    Connection, ConnectionProperties, Error, ErrorKind, runtime,
    tcp::{AMQPUriTcpExt, AsyncTcpStream, RustlsConnector, TLSConfig},
    uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo},
};
use rescind_runtime::tls::Asked;
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

use super::{HubConfig, HubTls};
use crate::{Endpoint, text::one_line};

/// Connects to `endpoint`. The error is one line.
pub(super) async fn connect(config: &HubConfig, endpoint: &Endpoint) -> Result<Connection, String> {
    let tls = match (endpoint.tls, &config.tls) {
        (false, _) => None,
        (true, Some(tls)) => Some(tls.clone()),
        (true, None) => return Err("amqps needs TLS settings".into()),
    };
    let limit = config.step_timeout;
    let line = Line::default();
    let hang_up = HangUp(line.clone());
    let picked_up = line.clone();
    let asked = Asked::default();
    let noted = asked.clone();
    let handshake = Connection::connector(
        uri(config, endpoint),
        runtime::default_runtime().map_err(|error| describe(&error))?,
        async move |uri, runtime| {
            // Plain first, whatever the scheme: TLS has our settings, not lapin's.
            let connecting = uri.connect_with_config_async(TLSConfig::default(), &runtime);
            let stream = within(limit, "TCP connect", connecting).await?;
            if let AsyncTcpStream::Plain(plain) = &stream {
                line.keep(plain.get_ref())?;
            }
            let stream = match &tls {
                None => stream,
                Some(HubTls {
                    client,
                    server_name,
                }) => {
                    let connector = RustlsConnector::from(noted.noting(client));
                    let name = server_name.as_deref().unwrap_or(&uri.authority.host);
                    within(limit, "TLS handshake", stream.into_rustls(&connector, name)).await?
                }
            };
            line.open.notify_one();
            Ok(stream)
        },
        // Rule 8: no `enable_auto_recover`, and no second attempt of lapin's own.
        ConnectionProperties::default()
            .with_connection_name(config.connection_name.as_str().into()),
    );
    let silence = async {
        picked_up.open.notified().await;
        sleep(limit).await;
    };
    tokio::select! {
        connected = handshake => {
            let connection = connected.map_err(|error| refused(&error, &asked))?;
            hang_up.forget();
            Ok(connection)
        }
        () = silence => Err(format!("no answer to the AMQP handshake within {limit:?}")),
    }
}

/// What is known from here of a connection that lapin is making.
#[derive(Debug, Clone, Default)]
struct Line {
    /// Notified when bytes can be sent, encrypted if they are to be.
    open: Arc<Notify>,
    socket: Arc<Mutex<Option<TcpStream>>>,
}

impl Line {
    fn keep(&self, socket: &tokio::net::TcpStream) -> io::Result<()> {
        let copy = socket.as_fd().try_clone_to_owned()?;
        *self.socket.lock().unwrap_or_else(PoisonError::into_inner) = Some(copy.into());
        Ok(())
    }

    fn take(&self) -> Option<TcpStream> {
        let mut socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        socket.take()
    }
}

/// Closes the socket of a connection that is given up.
///
/// The kernel of a frozen broker accepts connections, and lapin waits for each, in a thread of its own, for as long as
/// the other side keeps it open: dropping the handshake alone would leave one thread behind for every attempt.
struct HangUp(Line);

impl HangUp {
    /// The connection stands; it is lapin's now.
    fn forget(self) {
        drop(self.0.take());
    }
}

impl Drop for HangUp {
    fn drop(&mut self) {
        if let Some(socket) = self.0.take() {
            // Fails only where it is closed already.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

fn uri(config: &HubConfig, endpoint: &Endpoint) -> AMQPUri {
    AMQPUri {
        scheme: AMQPScheme::AMQP,
        authority: AMQPAuthority {
            userinfo: AMQPUserInfo {
                username: endpoint.user.clone(),
                password: endpoint.password.clone(),
            },
            host: endpoint.host.clone(),
            port: endpoint.port,
        },
        vhost: endpoint.vhost.clone(),
        query: AMQPQueryString {
            // Rule 1: a heartbeat of our own. lapin takes the lower of the two, and zero only if both are zero.
            heartbeat: Some(
                u16::try_from(config.heartbeat.as_secs())
                    .unwrap_or(60)
                    .max(1),
            ),
            ..AMQPQueryString::default()
        },
    }
}

async fn within<T>(
    limit: Duration,
    what: &str,
    step: impl Future<Output = io::Result<T>>,
) -> lapin::Result<T> {
    match timeout(limit, step).await {
        Ok(done) => Ok(done?),
        Err(_) => {
            let text = format!("{what} took longer than {limit:?}");
            Err(io::Error::new(io::ErrorKind::TimedOut, text).into())
        }
    }
}

/// Why there is no connection. A broker that breaks off without a word in AMQP may have refused in TLS.
fn refused(error: &Error, asked: &Asked) -> String {
    let text = describe(error);
    match error.kind() {
        ErrorKind::IOError(error) => format!("{text}{}", asked.behind(error)),
        ErrorKind::InvalidConnectionState(_) => format!("{text}{asked}"),
        _ => text,
    }
}

/// Rule 6: what went wrong, in one line. The same mistake has another code on each broker (a wrong password is 403 on RabbitMQ,
/// 530 on Qpid and Andes), so the broker's own text is what helps.
pub(super) fn describe(error: &Error) -> String {
    let text = match error.kind() {
        ErrorKind::ProtocolError(error) => {
            let (code, text) = (error.get_id(), error.get_message());
            format!("the broker answers {code} {text}")
        }
        ErrorKind::IOError(error) | ErrorKind::RuntimeShutdownError(error) => error.to_string(),
        ErrorKind::MissingHeartbeatError => "no heartbeat from the broker".into(),
        ErrorKind::ParsingError(_) => "what answers does not speak AMQP 0-9-1".into(),
        ErrorKind::InvalidConnectionState(_) => {
            "the broker closed the connection without a reason".into()
        }
        _ => error.to_string(),
    };
    one_line(&text, 300).into()
}
