//! Which port each part gets, and who sits on one that is taken.

use std::{
    fs::{self, File, OpenOptions},
    net::{Ipv4Addr, TcpListener},
    path::PathBuf,
};

use anyhow::{Context, Result, bail};
use nix::fcntl::{Flock, FlockArg};

use crate::process;

/// The ports of one stack, all on the loopback interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    /// AMQP of the private broker.
    pub broker: u16,
    /// AMQP over TLS of the private broker. Used only where it is asked for.
    pub broker_tls: u16,
    /// The private broker's Erlang distribution.
    pub broker_distribution: u16,
    /// Erlang's port mapper, one of the private broker's own.
    pub epmd: u16,
    /// The stand-in control plane (HTTPS).
    pub standin: u16,
    /// The API behind Envoy (HTTP).
    pub upstream: u16,
    /// The adapter's xDS (mTLS).
    pub xds: u16,
    /// The adapter's admin pages (HTTPS).
    pub adapter_admin: u16,
    /// The enforcer's ext_authz (mTLS).
    pub ext_authz: u16,
    /// The enforcer's admin pages (HTTPS).
    pub enforcer_admin: u16,
    /// Envoy, HTTPS, http/1.1 alone.
    pub envoy_tls: u16,
    /// Envoy, HTTP.
    pub envoy_plain: u16,
    /// Envoy, HTTPS with HTTP/2. Used only where the test listener is asked for.
    pub envoy_h2: u16,
    /// Envoy's admin pages (HTTP).
    pub envoy_admin: u16,
}

const STANDARD: Ports = Ports {
    broker: 5673,
    broker_tls: 5674,
    broker_distribution: 25673,
    epmd: 4370,
    standin: 9443,
    upstream: 9097,
    xds: 18000,
    adapter_admin: 9843,
    ext_authz: 8081,
    enforcer_admin: 9001,
    envoy_tls: 9095,
    envoy_plain: 9090,
    envoy_h2: 9096,
    envoy_admin: 9000,
};

const COUNT: u16 = 14;

impl Ports {
    /// The documented ports, each moved by `offset`, as API Manager's own port offset does.
    pub fn standard(offset: u16) -> Result<Self> {
        let Some(_) = u16::MAX
            .checked_sub(offset)
            .filter(|&last| last >= STANDARD.broker_distribution)
        else {
            bail!(
                "expected at most {}, since the highest port would be {}",
                u16::MAX - STANDARD.broker_distribution,
                u32::from(STANDARD.broker_distribution) + u32::from(offset)
            );
        };
        Ok(STANDARD.map(|port| port + offset))
    }

    /// Every port with what it is for.
    pub fn all(&self) -> [(&'static str, u16); COUNT as usize] {
        [
            ("the broker", self.broker),
            ("the broker (TLS)", self.broker_tls),
            ("the broker's distribution", self.broker_distribution),
            ("the broker's port mapper", self.epmd),
            ("the stand-in", self.standin),
            ("the upstream", self.upstream),
            ("the adapter's xDS", self.xds),
            ("the adapter's admin pages", self.adapter_admin),
            ("the enforcer's ext_authz", self.ext_authz),
            ("the enforcer's admin pages", self.enforcer_admin),
            ("Envoy (TLS)", self.envoy_tls),
            ("Envoy (plain)", self.envoy_plain),
            ("Envoy (HTTP/2)", self.envoy_h2),
            ("Envoy's admin pages", self.envoy_admin),
        ]
    }

    fn map(self, moved: impl Fn(u16) -> u16) -> Self {
        Self {
            broker: moved(self.broker),
            broker_tls: moved(self.broker_tls),
            broker_distribution: moved(self.broker_distribution),
            epmd: moved(self.epmd),
            standin: moved(self.standin),
            upstream: moved(self.upstream),
            xds: moved(self.xds),
            adapter_admin: moved(self.adapter_admin),
            ext_authz: moved(self.ext_authz),
            enforcer_admin: moved(self.enforcer_admin),
            envoy_tls: moved(self.envoy_tls),
            envoy_plain: moved(self.envoy_plain),
            envoy_h2: moved(self.envoy_h2),
            envoy_admin: moved(self.envoy_admin),
        }
    }

    fn in_block(base: u16) -> Self {
        Self {
            broker: base,
            broker_distribution: base + 1,
            epmd: base + 2,
            standin: base + 3,
            upstream: base + 4,
            xds: base + 5,
            adapter_admin: base + 6,
            ext_authz: base + 7,
            enforcer_admin: base + 8,
            envoy_tls: base + 9,
            envoy_plain: base + 10,
            envoy_h2: base + 11,
            envoy_admin: base + 12,
            broker_tls: base + 13,
        }
    }
}

/// A block of free ports, kept from other stacks of this machine for as long as it lives.
#[derive(Debug)]
pub(crate) struct Reservation {
    pub(crate) ports: Ports,
    _lock: Flock<File>,
}

const BLOCK: u16 = 16;
const FIRST_BLOCK: u16 = 20_000;
/// Below 32768, where Linux begins to give ports to outgoing connections: one of those could take a port just before the
/// part that it is meant for.
const BLOCKS: u16 = 780;

impl Reservation {
    /// Finds a block that no other stack holds and nothing listens on.
    pub(crate) fn find() -> Result<Self> {
        let folder = lock_folder()?;
        let first = u16::try_from(uuid::Uuid::new_v4().as_u128() % u128::from(BLOCKS))
            .expect("the remainder of a division by a u16 is a u16");
        for step in 0..BLOCKS {
            let base = FIRST_BLOCK + (first + step) % BLOCKS * BLOCK;
            let file = OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .open(folder.join(format!("{base}.lock")))
                .context("cannot write the lock of a block of ports")?;
            let Ok(lock) = Flock::lock(file, FlockArg::LockExclusiveNonblock) else {
                continue;
            };
            let ports = Ports::in_block(base);
            if ports.all().iter().all(|&(_, port)| is_free(port)) {
                return Ok(Self { ports, _lock: lock });
            }
        }
        bail!("no block of {COUNT} free ports between {FIRST_BLOCK} and 32768");
    }
}

/// Each user has a folder of their own, so that nobody's locks are in another's way.
fn lock_folder() -> Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("rescind-ports-{}", nix::unistd::geteuid()));
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

/// Fails with a line for each port of `wanted` that something listens on, naming it.
pub(crate) fn refuse_taken(wanted: &[(&str, u16)]) -> Result<()> {
    let taken: Vec<String> = wanted
        .iter()
        .filter(|(_, port)| !is_free(*port))
        .map(|(purpose, port)| format!("port {port} ({purpose}) is taken by {}", owner(*port)))
        .collect();
    if taken.is_empty() {
        return Ok(());
    }
    bail!(
        "{}\nend that, or move all ports of this stack with PORT_OFFSET=100",
        taken.join("\n")
    );
}

/// A port is free where nothing listens, on any address of either family: what listens on `[::1]` alone would be found
/// first by a client that asks for `localhost`.
fn is_free(port: u16) -> bool {
    listening_inode(port).is_none() && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

fn owner(port: u16) -> String {
    let Some(inode) = listening_inode(port) else {
        return "a process that this user cannot see".to_owned();
    };
    let link = format!("socket:[{inode}]");
    let holds = |pid: &i32| {
        fs::read_dir(format!("/proc/{pid}/fd")).is_ok_and(|files| {
            files.flatten().any(|file| {
                fs::read_link(file.path()).is_ok_and(|to| to.as_os_str() == link.as_str())
            })
        })
    };
    match process::all_pids().find(holds) {
        Some(pid) => format!(
            "{} (pid {pid})",
            process::name_of(pid).unwrap_or_else(|| "a process".to_owned())
        ),
        None => "a process that this user cannot see".to_owned(),
    }
}

fn listening_inode(port: u16) -> Option<u64> {
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .into_iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .find_map(|table| table.lines().find_map(|line| listener(line, port)))
}

/// The socket of a line of `/proc/net/tcp` that listens (state 0A) on `port`.
fn listener(line: &str, port: u16) -> Option<u64> {
    let mut fields = line.split_ascii_whitespace();
    let (_, local) = fields.nth(1)?.rsplit_once(':')?;
    let state = fields.nth(1)?;
    let inode = fields.nth(5)?;
    let is_here = u16::from_str_radix(local, 16) == Ok(port) && state == "0A";
    is_here.then(|| inode.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_moves_every_port() {
        let ports = Ports::standard(100).unwrap();
        assert_eq!(
            (ports.xds, ports.envoy_tls, ports.standin),
            (18_100, 9195, 9543)
        );
        for ((_, moved), (_, standard)) in ports.all().iter().zip(STANDARD.all()) {
            assert_eq!(*moved, standard + 100);
        }
        let error = Ports::standard(40_000).unwrap_err().to_string();
        assert!(error.contains("at most 39862"), "{error}");
    }

    #[test]
    fn all_ports_are_listed_once_and_lie_below_the_ephemeral_range() {
        for ports in [
            STANDARD,
            Ports::in_block(FIRST_BLOCK + (BLOCKS - 1) * BLOCK),
        ] {
            let mut all = ports.all().map(|(_, port)| port).to_vec();
            all.sort_unstable();
            all.dedup();
            assert_eq!(all.len(), usize::from(COUNT));
            assert!(all.iter().all(|&port| port < 32_768));
        }
    }

    #[test]
    fn only_a_listener_on_the_port_counts() {
        let listening = "   0: 0100007F:2383 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 987 1 0 100 0";
        assert_eq!(listener(listening, 9091), Some(987));
        assert_eq!(listener(listening, 9092), None);
        assert_eq!(listener(&listening.replace(" 0A ", " 01 "), 9091), None);
    }

    #[test]
    fn a_taken_port_is_named_with_its_owner() {
        // It never listens; while it lives, nobody else is given the port that is free again in the end.
        let held = tokio::net::TcpSocket::new_v4().unwrap();
        held.set_reuseaddr(true).unwrap();
        held.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let port = held.local_addr().unwrap().port();
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        let error = refuse_taken(&[("the test", port)]).unwrap_err().to_string();
        let expected = format!("port {port} (the test) is taken by");
        assert!(error.contains(&expected), "{error}");
        assert!(
            error.contains(&format!("(pid {})", std::process::id())),
            "{error}"
        );
        drop(socket);
        assert!(refuse_taken(&[("the test", port)]).is_ok());
    }

    #[test]
    fn two_reservations_share_no_port() {
        let (one, other) = (Reservation::find().unwrap(), Reservation::find().unwrap());
        assert_ne!(one.ports, other.ports);
    }
}
