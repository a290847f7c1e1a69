//! The grammar of an endpoint.

use std::time::Duration;

use super::{Endpoint, EndpointError};

/// What Choreo Connect takes where a parameter is missing or zero.
const DEFAULT_RETRIES: u32 = 5;
const DEFAULT_CONNECT_DELAY: u32 = 10;

/// Reads `amqp(s)://[user[:password]@]host[:port][/vhost][?retries='n'&connectdelay='seconds']`.
///
/// Credentials and virtual host are percent-decoded; a `%` that begins no `%XX` stands for itself, and the credentials end
/// at the last `@`, so most passwords work as they are. Ports default to 5672 and 5671, the virtual host to `/`. One leading
/// `/` of the virtual host is dropped, as Andes does: `/carbon` and `/%2fcarbon` both open `carbon`.
pub fn parse_endpoint(url: &str) -> Result<Endpoint, EndpointError> {
    let (tls, rest) = scheme(url.trim())?;
    let (credentials, rest) = match rest.rsplit_once('@') {
        Some((credentials, rest)) => (Some(credentials), rest),
        None => (None, rest),
    };
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = place.split_once('/').unwrap_or((place, ""));
    let (user, password) = user_and_password(credentials)?;
    let (host, port) = host_and_port(authority)?;
    let (retries, connect_delay) = parameters(query)?;
    Ok(Endpoint {
        tls,
        user,
        password,
        host,
        port: port.unwrap_or(if tls { 5671 } else { 5672 }),
        vhost: vhost(path)?,
        retries,
        connect_delay,
    })
}

fn scheme(url: &str) -> Result<(bool, &str), EndpointError> {
    let (scheme, rest) = url.split_once("://").ok_or(EndpointError::Scheme)?;
    match scheme.to_ascii_lowercase().as_str() {
        "amqp" => Ok((false, rest)),
        "amqps" => Ok((true, rest)),
        _ => Err(EndpointError::Scheme),
    }
}

/// Without credentials: AMQP's customary `guest`.
fn user_and_password(credentials: Option<&str>) -> Result<(String, String), EndpointError> {
    let Some(credentials) = credentials else {
        return Ok(("guest".into(), "guest".into()));
    };
    let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
    Ok((
        percent_decode(user, "user name")?,
        percent_decode(password, "password")?,
    ))
}

fn host_and_port(authority: &str) -> Result<(String, Option<u16>), EndpointError> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(bracketed) => {
            let (host, rest) = bracketed.split_once(']').ok_or(EndpointError::Host)?;
            if host.parse::<std::net::Ipv6Addr>().is_err() {
                return Err(EndpointError::Host);
            }
            match rest {
                "" => (host, None),
                _ => (
                    host,
                    Some(rest.strip_prefix(':').ok_or(EndpointError::Port)?),
                ),
            }
        }
        None => match authority.split_once(':') {
            Some((host, port)) if port.contains(':') => {
                return Err(if host.is_empty() {
                    EndpointError::NoHost
                } else {
                    EndpointError::Host
                });
            }
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    if host.is_empty() {
        return Err(EndpointError::NoHost);
    }
    if !host.chars().all(is_host_character) {
        return Err(EndpointError::Host);
    }
    Ok((host.to_owned(), port.map(port_number).transpose()?))
}

/// Underscores are no part of host names, but container names have them.
fn is_host_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':')
}

fn port_number(text: &str) -> Result<u16, EndpointError> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(port) if digits && port != 0 => Ok(port),
        _ => Err(EndpointError::Port),
    }
}

fn vhost(path: &str) -> Result<String, EndpointError> {
    let vhost = percent_decode(path.trim_end_matches('/'), "virtual host")?;
    let vhost = match vhost.strip_prefix('/') {
        Some(rest) => rest,
        None => &vhost,
    };
    match vhost.len() {
        0 => Ok("/".into()),
        // AMQP's `shortstr` has one byte for its length.
        1..=255 => Ok(vhost.into()),
        _ => Err(EndpointError::TooLong("virtual host")),
    }
}

fn parameters(query: &str) -> Result<(u32, Duration), EndpointError> {
    let (mut retries, mut delay) = (None, None);
    for parameter in query.split('&') {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        match name.to_ascii_lowercase().as_str() {
            "retries" => retries = number(value, "retries")?,
            "connectdelay" => delay = number(value, "connectdelay")?,
            "brokerlist" => return Err(EndpointError::Jms("brokerlist")),
            "failover" => return Err(EndpointError::Jms("failover")),
            // Parameters of other clients change nothing here.
            _ => {}
        }
    }
    let seconds = delay.unwrap_or(DEFAULT_CONNECT_DELAY);
    Ok((
        retries.unwrap_or(DEFAULT_RETRIES),
        Duration::from_secs(seconds.into()),
    ))
}

/// A number with or without quotes; `None` where there is none, or zero.
fn number(value: &str, name: &'static str) -> Result<Option<u32>, EndpointError> {
    let bare = ['\'', '"']
        .into_iter()
        .find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote))
        .unwrap_or(value);
    if bare.is_empty() {
        return Ok(None);
    }
    let number: u32 = bare
        .trim()
        .parse()
        .map_err(|_| EndpointError::Parameter(name))?;
    Ok(Some(number).filter(|number| *number != 0))
}

fn percent_decode(text: &str, what: &'static str) -> Result<String, EndpointError> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match escaped(&bytes[at..]) {
            Some(value) => {
                decoded.push(value);
                at += 3;
            }
            None => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8(decoded).map_err(|_| EndpointError::Encoding(what))
}

/// The byte that a leading `%XX` stands for.
fn escaped(bytes: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = bytes else {
        return None;
    };
    let high = char::from(*high).to_digit(16)?;
    let low = char::from(*low).to_digit(16)?;
    u8::try_from(high << 4 | low).ok()
}
