//! When certificates are valid, and when that is worth a word.

use jiff::Timestamp;
use rustls_pki_types::CertificateDer;

const DAY: i64 = 86_400;

/// A certificate is spoken of when less than this is left of it, or less than a tenth of its life: one of an hour is not
/// worth a word all its life.
const SOON: i64 = 14 * DAY;

/// The time in which a certificate can be used, in seconds since the epoch; both ends are in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Validity {
    pub(super) not_before: i64,
    pub(super) not_after: i64,
}

/// When all of a chain that is shown is valid: the leaf, and what stands between it and a root.
pub(super) fn of_chain(chain: &[CertificateDer<'_>]) -> Option<Validity> {
    let mut all: Option<Validity> = None;
    for (at, certificate) in chain.iter().enumerate() {
        let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
        // A root that is shown too: peers have their own.
        if at > 0 && parsed.subject() == parsed.issuer() {
            continue;
        }
        let found = Validity::of(&parsed);
        all = Some(all.map_or(found, |all| Validity {
            not_before: all.not_before.max(found.not_before),
            not_after: all.not_after.min(found.not_after),
        }));
    }
    all
}

/// Of the certificate among these that ends last: with that the last peer is gone that could be believed by them.
pub(super) fn of_last<'a>(
    certificates: impl IntoIterator<Item = &'a CertificateDer<'a>>,
) -> Option<Validity> {
    let parsed = certificates.into_iter().filter_map(|certificate| {
        let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
        Some(Validity::of(&parsed))
    });
    parsed.max_by_key(|validity| validity.not_after)
}

impl Validity {
    fn of(certificate: &x509_parser::certificate::X509Certificate<'_>) -> Self {
        let validity = certificate.validity();
        Self {
            not_before: validity.not_before.timestamp(),
            not_after: validity.not_after.timestamp(),
        }
    }

    /// Whole days until the end; negative after it.
    pub(super) fn days_left(&self, now: i64) -> i64 {
        (self.not_after - now).div_euclid(DAY)
    }

    /// What is to be said of it at `now`, if anything: that it is not valid yet or no longer, or for how long it still is.
    pub(super) fn concern(&self, now: i64) -> Option<String> {
        let left = self.not_after - now;
        let life = self.not_after.saturating_sub(self.not_before);
        if now < self.not_before {
            return Some(format!("is not valid before {}", moment(self.not_before)));
        }
        if left < 0 {
            return Some(format!("has expired on {}", moment(self.not_after)));
        }
        let soon = left < SOON.min(life / 10);
        soon.then(|| {
            let days = left / DAY;
            let left = match days {
                0 => "less than a day".to_owned(),
                1 => "1 day".to_owned(),
                days => format!("{days} days"),
            };
            format!("expires on {}, {left} from now", moment(self.not_after))
        })
    }
}

/// RFC 3339, UTC.
pub(super) fn moment(seconds: i64) -> String {
    Timestamp::from_second(seconds)
        .map_or_else(|_| format!("second {seconds}"), |at| at.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_weeks_before_the_end_or_in_its_last_tenth_a_certificate_is_spoken_of() {
        let year = Validity {
            not_before: 0,
            not_after: 365 * DAY,
        };
        let day = Validity {
            not_before: 0,
            not_after: DAY,
        };
        for (validity, now, days, said) in [
            (
                year,
                -1,
                365,
                Some("is not valid before 1970-01-01T00:00:00Z"),
            ),
            (year, 0, 365, None),
            (year, 351 * DAY, 14, None),
            (
                year,
                351 * DAY + 1,
                13,
                Some("expires on 1971-01-01T00:00:00Z, 13 days from now"),
            ),
            (
                year,
                364 * DAY,
                1,
                Some("expires on 1971-01-01T00:00:00Z, 1 day from now"),
            ),
            (
                year,
                365 * DAY,
                0,
                Some("expires on 1971-01-01T00:00:00Z, less than a day from now"),
            ),
            (
                year,
                365 * DAY + 1,
                -1,
                Some("has expired on 1971-01-01T00:00:00Z"),
            ),
            (day, DAY / 2, 0, None),
            (
                day,
                DAY - 3600,
                0,
                Some("expires on 1970-01-02T00:00:00Z, less than a day from now"),
            ),
        ] {
            assert_eq!(validity.days_left(now), days, "{now}");
            assert_eq!(validity.concern(now).as_deref(), said, "{now}");
        }
    }
}
