//! Pages that are made and not yet read.
//!
//! A page is bytes of its own for each who asks, and one that its client does not read stays in the transport.

use std::sync::Arc;

use bytes::Bytes;
use tonic::Status;

use super::{Admission, Peer, give_back, take};

/// Room for a page.
#[derive(Debug)]
pub(in crate::server) struct PageRoom {
    admission: Arc<Admission>,
    peer: Peer,
    bytes: usize,
}

/// Bytes of a page, which hold its room.
struct Held {
    bytes: Bytes,
    _room: Arc<PageRoom>,
}

impl Admission {
    /// Room for the largest page that there may be, before its size is known.
    pub(in crate::server) fn page(self: &Arc<Self>, peer: &Peer) -> Result<PageRoom, Status> {
        let settings = &self.settings;
        let bytes = settings.max_response_bytes;
        let load = peer.load();
        if !take(&load.pages, bytes, settings.pages_bytes_per_connection) {
            return Err(Status::resource_exhausted(
                "too many pages are not read yet on this connection",
            ));
        }
        if !self
            .pages
            .take(peer.identity(), bytes, settings.pages_bytes)
        {
            give_back(&load.pages, bytes);
            return Err(Status::resource_exhausted(
                "too many pages are not read yet for this client's certificate",
            ));
        }
        Ok(PageRoom {
            admission: Arc::clone(self),
            peer: peer.clone(),
            bytes,
        })
    }
}

impl PageRoom {
    /// The page has so many bytes; the rest of the room is for others.
    pub(in crate::server) fn keep(&mut self, bytes: usize) {
        let rest = self.bytes.saturating_sub(bytes);
        self.give_back(rest);
    }

    /// The same bytes, which hold the room until the last of them and their copies is dropped.
    pub(in crate::server) fn hold(self: &Arc<Self>, bytes: Bytes) -> Bytes {
        Bytes::from_owner(Held {
            bytes,
            _room: Arc::clone(self),
        })
    }

    fn give_back(&mut self, bytes: usize) {
        self.bytes -= bytes;
        give_back(&self.peer.load().pages, bytes);
        self.admission.pages.give_back(self.peer.identity(), bytes);
    }
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for PageRoom {
    fn drop(&mut self) {
        self.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Settings, *};

    fn admission() -> Arc<Admission> {
        Admission::new(Arc::new(Settings {
            max_response_bytes: 10,
            pages_bytes_per_connection: 20,
            pages_bytes: 30,
            ..Settings::default()
        }))
    }

    #[test]
    fn pages_have_so_much_room_on_a_connection_and_for_an_identity() {
        let admission = admission();
        let (one, two) = (Peer::new("a", None), Peer::new("a", None));
        let held = [admission.page(&one), admission.page(&one)];
        assert!(held.iter().all(Result::is_ok));
        assert!(admission.page(&one).is_err(), "the connection's");
        let _third = admission.page(&two).expect("room");
        for _ in 0..3 {
            assert!(admission.page(&two).is_err(), "the identity's");
        }
        assert!(admission.page(&Peer::new("b", None)).is_ok());
        drop(held);
        assert!(admission.page(&two).is_ok() && admission.page(&one).is_ok());
    }

    #[test]
    fn a_page_holds_its_size_until_the_last_of_its_bytes_is_dropped() {
        let admission = admission();
        let peer = Peer::new("a", None);
        let mut room = admission.page(&peer).expect("room");
        room.keep(6);
        let bytes = Arc::new(room).hold(Bytes::from_static(b"a page"));
        let part = bytes.slice(2..3);
        drop(bytes);
        let mut other = admission.page(&peer).expect("room");
        other.keep(0);
        let whole = admission
            .page(&peer)
            .expect("nothing is held by an empty page");
        assert!(admission.page(&peer).is_err());
        drop(part);
        assert!(admission.page(&peer).is_ok());
        drop((other, whole));
        assert!(admission.pages.is_empty());
    }
}
