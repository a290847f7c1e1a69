//! One broker, as an operator writes it: `amqp://user:password@host:port/vhost?retries='10'&connectdelay='30'`.
//!
//! The form is Choreo Connect's (`eventListeningEndpoints`); its quotes are optional here. lapin's own URI parser is not
//! used: it knows neither of the two parameters, and takes a host that is an IP address for `localhost`.

use std::{fmt, time::Duration};

use thiserror::Error;

use crate::text::one_line;

mod parse;

pub use parse::parse_endpoint;

/// A broker and the patience one has with it. Printing it shows no credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub(crate) tls: bool,
    pub(crate) user: String,
    pub(crate) password: String,
    /// A name or an address, IPv6 without its brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) vhost: String,
    retries: u32,
    connect_delay: Duration,
}

impl Endpoint {
    /// Whether the connection is encrypted (`amqps`).
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// Name or address of the broker, IPv6 without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Port of the broker.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The virtual host to open; `/` is the broker's default.
    pub fn vhost(&self) -> &str {
        &self.vhost
    }

    /// Where it leads, without credentials: `amqp://host:port/`.
    pub fn address(&self) -> String {
        self.to_string().replacen("******@", "", 1)
    }

    /// Attempts before the next endpoint has its turn (`retries`).
    pub fn retries(&self) -> u32 {
        self.retries
    }

    /// The longest wait between two attempts (`connectdelay`).
    pub fn connect_delay(&self) -> Duration {
        self.connect_delay
    }
}

/// Where it leads, in the form of Choreo Connect's log lines: `amqp://******@host:port/`.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.tls { "amqps" } else { "amqp" })?;
        f.write_str("://******@")?;
        if self.host.contains(':') {
            write!(f, "[{}]:{}/", self.host, self.port)?;
        } else {
            write!(f, "{}:{}/", self.host, self.port)?;
        }
        if self.vhost != "/" {
            f.write_str(&one_line(&self.vhost, 255))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self})")
    }
}

/// What is wrong with the text of an endpoint. Printing it shows no credentials.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EndpointError {
    /// Another scheme, or none.
    #[error("expected amqp:// or amqps://")]
    Scheme,
    /// Nothing names the broker.
    #[error("host is missing")]
    NoHost,
    /// A character that no host has, or an IPv6 address without brackets.
    #[error("host is not a name or an address (an IPv6 address stands in brackets)")]
    Host,
    /// Not a port.
    #[error("port is not a number from 1 to 65535")]
    Port,
    /// Credentials or virtual host are not UTF-8 once their `%XX` are decoded.
    #[error("{0} is not UTF-8 once its %XX are decoded")]
    Encoding(&'static str),
    /// Longer than AMQP can carry.
    #[error("{0} has more than 255 bytes")]
    TooLong(&'static str),
    /// A parameter's value cannot be used.
    #[error("{0} is not a whole number")]
    Parameter(&'static str),
    /// A parameter of Qpid's JMS connection URLs.
    #[error(
        "{0} is syntax of a JMS connection URL; name the broker as amqp://user:password@host:port/vhost"
    )]
    Jms(&'static str),
}

#[cfg(test)]
mod tests;
