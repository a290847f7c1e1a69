//! The adapters, in an order of our own: each client shuffles once, so that many clients spread over all adapters.

use rand::seq::SliceRandom;

#[derive(Debug)]
pub(super) struct Endpoints {
    addresses: Vec<String>,
    at: usize,
}

impl Endpoints {
    /// `None` when there is none.
    pub(super) fn shuffled(addresses: &[String]) -> Option<Self> {
        let mut addresses = addresses.to_vec();
        addresses.shuffle(&mut rand::rng());
        (!addresses.is_empty()).then_some(Self { addresses, at: 0 })
    }

    /// The one to use now, as `host:port`.
    pub(super) fn current(&self) -> &str {
        &self.addresses[self.at]
    }

    /// Goes to that one, if it is one.
    pub(super) fn go_to(&mut self, address: &str) {
        if let Some(at) = self.addresses.iter().position(|other| other == address) {
            self.at = at;
        }
    }

    /// The current one has failed.
    pub(super) fn rotate(&mut self) {
        self.at = (self.at + 1) % self.addresses.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stays_on_one_and_visits_all() {
        let all = ["a:1".to_owned(), "b:1".to_owned(), "c:1".to_owned()];
        let mut endpoints = Endpoints::shuffled(&all).expect("three");
        assert_eq!(endpoints.current(), endpoints.current().to_owned());
        let mut seen: Vec<String> = (0..3)
            .map(|_| {
                let address = endpoints.current().to_owned();
                endpoints.rotate();
                address
            })
            .collect();
        seen.sort();
        assert_eq!(seen, all);
    }

    #[test]
    fn none_is_none() {
        assert!(Endpoints::shuffled(&[]).is_none());
    }
}
