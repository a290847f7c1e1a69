//! The last good JWK Set of each URL, on disk: an enforcer that starts while its token service is away knows its keys.
//!
//! ```text
//! keys.<of the URL>    URL, when it was fetched (s), SHA-256 of all else, a line each; then the JWK Set as it came
//! ```
//!
//! It counts for as long as what is in memory does: until something better comes.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use aws_lc_rs::digest::{SHA256, digest};
use reqwest::Url;

/// The longest file that is read: longer than any that is written.
const MAX_BYTES: u64 = 2 * 1024 * 1024;

/// What was kept.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fetched {
    /// In seconds.
    pub(super) at: u64,
    pub(super) json: Vec<u8>,
}

/// Reads what was fetched from `url` last; `None` where nothing whole is kept.
pub(super) fn read(folder: &Path, url: &Url) -> Option<Fetched> {
    let path = path(folder, url);
    if fs::metadata(&path).ok()?.len() > MAX_BYTES {
        return None;
    }
    let bytes = fs::read(path).ok()?;
    let mut lines = bytes.splitn(4, |byte| *byte == b'\n');
    let [kept_url, at, sum, json] = [lines.next()?, lines.next()?, lines.next()?, lines.next()?];
    let at = std::str::from_utf8(at).ok()?.parse().ok()?;
    let whole = kept_url == url.as_str().as_bytes() && sum == checksum(url, at, json).as_bytes();
    whole.then(|| Fetched {
        at,
        json: json.to_owned(),
    })
}

/// Keeps what was fetched from `url`, in one step: a crash leaves the old or the new.
pub(super) fn write(folder: &Path, url: &Url, fetched: &Fetched) -> io::Result<()> {
    let Fetched { at, json } = fetched;
    let path = path(folder, url);
    let new = path.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)?;
    let sum = checksum(url, *at, json);
    file.write_all(format!("{url}\n{at}\n{sum}\n").as_bytes())?;
    file.write_all(json)?;
    file.sync_data()?;
    fs::rename(new, path)
}

fn path(folder: &Path, url: &Url) -> PathBuf {
    let name = hex(&[url.as_str().as_bytes()]);
    folder.join(format!("keys-{}", &name[..32]))
}

fn checksum(url: &Url, at: u64, json: &[u8]) -> String {
    hex(&[format!("{url}\n{at}\n").as_bytes(), json])
}

fn hex(parts: &[&[u8]]) -> String {
    let digest = digest(&SHA256, &parts.concat());
    let bytes = digest.as_ref().iter();
    bytes.map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_was_kept_is_read_again_for_the_same_url_and_only_whole() {
        let folder = tempfile::tempdir().unwrap();
        let url = Url::parse("https://sts/keys?a=1").unwrap();
        assert_eq!(read(folder.path(), &url), None);
        let fetched = |at, json: &[u8]| Fetched {
            at,
            json: json.to_owned(),
        };
        write(folder.path(), &url, &fetched(1, b"old")).unwrap();
        let last = fetched(2, b"{\n\"keys\": []\n}\n");
        write(folder.path(), &url, &last).unwrap();
        assert_eq!(read(folder.path(), &url), Some(last));
        let other = Url::parse("https://sts/keys?a=2").unwrap();
        assert_eq!(read(folder.path(), &other), None);

        let path = path(folder.path(), &url);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut broken = whole.clone();
            broken[at] ^= 1;
            fs::write(&path, &broken).unwrap();
            assert_eq!(read(folder.path(), &url), None, "{at}");
            fs::write(&path, &whole[..at]).unwrap();
            assert_eq!(read(folder.path(), &url), None, "{at}");
        }
    }
}
