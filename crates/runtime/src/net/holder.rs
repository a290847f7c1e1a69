//! Who listens on a port, as far as `/proc` tells: only the own user's processes show their sockets.

use std::fs;
use std::path::Path;

/// `name (pid 123)` of a process that listens on this TCP port, on whichever address.
pub(super) fn of(port: u16) -> Option<String> {
    let inodes: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| listening_inodes(&table, port))
        .collect();
    if inodes.is_empty() {
        return None;
    }
    let processes = fs::read_dir("/proc").ok()?;
    processes
        .filter_map(Result::ok)
        .filter(|process| is_pid(&process.file_name().to_string_lossy()))
        .find(|process| holds(&process.path(), &inodes))
        .map(|process| describe(&process.path()))
}

/// The socket inodes of the rows that listen (state `0A`) on `port`. A row is `sl local remote st tx:rx tr:when retrnsmt
/// uid timeout inode ..`, the local address `HEX:PORT`.
fn listening_inodes(table: &str, port: u16) -> Vec<String> {
    let port = format!(":{port:04X}");
    table
        .lines()
        .skip(1)
        .filter_map(|row| {
            let columns: Vec<&str> = row.split_whitespace().collect();
            let listens = columns.get(3) == Some(&"0A") && columns.get(1)?.ends_with(&port);
            listens.then(|| columns.get(9).map(|inode| (*inode).to_owned()))?
        })
        .collect()
}

/// Not `self`, which would be true and of no use.
fn is_pid(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_digit())
}

fn holds(process: &Path, inodes: &[String]) -> bool {
    let Ok(descriptors) = fs::read_dir(process.join("fd")) else {
        return false;
    };
    descriptors.filter_map(Result::ok).any(|descriptor| {
        fs::read_link(descriptor.path()).is_ok_and(|target| {
            let target = target.to_string_lossy();
            let inode = target
                .strip_prefix("socket:[")
                .and_then(|rest| rest.strip_suffix(']'));
            inode.is_some_and(|inode| inodes.iter().any(|held| held == inode))
        })
    })
}

fn describe(process: &Path) -> String {
    let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
    let pid = process.file_name().unwrap_or_default().to_string_lossy();
    match name.trim_end() {
        "" => format!("pid {pid}"),
        name => format!("{name} (pid {pid})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listening_rows_of_the_port_are_found() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
                     0: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 4242 1 0 100 0 0 10 0\n\
                     1: 0100007F:1F91 0100007F:9999 01 00000000:00000000 00:00000000 00000000 0 0 4343 1 0 100 0 0 10 0\n\
                     2: 0100007F:1F92 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 4444 1 0 100 0 0 10 0\n";
        assert_eq!(listening_inodes(table, 8081), ["4242"]);
        assert!(listening_inodes("garbage", 8081).is_empty());
    }
}
