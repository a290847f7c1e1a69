//! Where a server is, as people write it.

use std::net::Ipv6Addr;

/// `host`, `host:port`, `[v6]`, `[v6]:port` or an IPv6 address as it is, which then has no port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostPort<'a> {
    /// A name or a number, without brackets.
    pub host: &'a str,
    /// From 1.
    pub port: Option<u16>,
}

impl<'a> HostPort<'a> {
    /// `None` for anything that nobody can connect to.
    pub fn parse(text: &'a str) -> Option<Self> {
        if is_v6(text) {
            return Some(Self {
                host: text,
                port: None,
            });
        }
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => rest.split_once(']').filter(|(host, _)| is_v6(host))?,
            None => {
                let (host, port) = text.split_at(text.find(':').unwrap_or(text.len()));
                (is_name(host)).then_some((host, port))?
            }
        };
        let port = match port {
            "" => None,
            port => Some(number(port.strip_prefix(':')?)?),
        };
        Some(Self { host, port })
    }

    /// `host:port` to connect to, with `default` where no port is written.
    pub fn or_port(&self, default: u16) -> String {
        let Self { host, port } = self;
        let port = port.unwrap_or(default);
        match is_v6(host) {
            true => format!("[{host}]:{port}"),
            false => format!("{host}:{port}"),
        }
    }
}

/// Whether `text` begins with an IPv6 address in brackets, and not with a list.
pub(super) fn begins_with_v6(text: &str) -> bool {
    let inside = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    inside.is_some_and(|(host, _)| is_v6(host))
}

fn is_v6(text: &str) -> bool {
    text.parse::<Ipv6Addr>().is_ok()
}

/// Letters and digits as DNS has them, and the underscore, which names of containers have.
fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    !text.is_empty() && text.bytes().all(allowed)
}

fn number(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_have_a_port_or_none() {
        for (text, host, port, whole) in [
            ("adapter", "adapter", None, "adapter:7"),
            (
                "my_adapter-1.x:18000",
                "my_adapter-1.x",
                Some(18_000),
                "my_adapter-1.x:18000",
            ),
            ("10.0.0.1", "10.0.0.1", None, "10.0.0.1:7"),
            ("10.0.0.1:1", "10.0.0.1", Some(1), "10.0.0.1:1"),
            ("[::1]", "::1", None, "[::1]:7"),
            ("[2001:db8::1]:2", "2001:db8::1", Some(2), "[2001:db8::1]:2"),
            ("2001:db8::1", "2001:db8::1", None, "[2001:db8::1]:7"),
        ] {
            let parsed = HostPort::parse(text).expect(text);
            assert_eq!(parsed, HostPort { host, port }, "{text}");
            assert_eq!(parsed.or_port(7), whole);
        }
    }

    #[test]
    fn what_nobody_can_connect_to_is_none() {
        for wrong in [
            "",
            ":1",
            "a:",
            "a:0",
            "a:x",
            "a:+1",
            "a:70000",
            "a:1:2",
            "::1:18000",
            "[::1",
            "[x]",
            "[::1]1",
            "u@a",
            "a/b",
            "a b",
            "a b:1",
            "a\t:1",
            "é:1",
            "a?b",
            "a#b",
        ] {
            assert_eq!(HostPort::parse(wrong), None, "{wrong}");
        }
    }
}
