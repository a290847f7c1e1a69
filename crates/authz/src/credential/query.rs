//! The query of a request target: form-encoded parameters, and a target without one of them.
//!
//! Choreo Connect ends a parameter at `&` and at `;` (Apache's `URLEncodedUtils`); the form encoding of today ends it at
//! `&` alone. What either of them finds is found here.

use std::borrow::Cow;

/// What ends a parameter for Choreo Connect.
const ENDS: [char; 2] = ['&', ';'];

/// The decoded values of the parameter called `name` (compared with case), empty ones left out: those that Choreo Connect
/// sees, in order, then those that are others where `;` ends nothing.
pub(crate) fn values<'a>(path: &'a str, name: &str) -> impl Iterator<Item = Cow<'a, str>> {
    let others = query(path).split('&').filter(|pair| pair.contains(';'));
    query(path)
        .split(ENDS)
        .chain(others)
        .filter(move |pair| named(pair, name))
        .map(|pair| decode(pair.split_once('=').map_or("", |(_, value)| value)))
        .filter(|value| !value.is_empty())
}

/// The target without the parameters of all these names; `None` where there is none of them.
pub(crate) fn without_all<'n>(path: &str, names: impl Iterator<Item = &'n str>) -> Option<String> {
    names.fold(None, |rest: Option<String>, name| {
        without(rest.as_deref().unwrap_or(path), name).or(rest)
    })
}

/// The target without each parameter called `name`, as Choreo Connect sees them; every other byte stays as it is, but what
/// is first now has a `?` before it. `None` where there is no such parameter.
pub(crate) fn without(path: &str, name: &str) -> Option<String> {
    if !query(path).split(ENDS).any(|pair| named(pair, name)) {
        return None;
    }
    let (target, query) = path.split_once('?')?;
    let mut rest = target.to_owned();
    // What ends one parameter stands before the next one, and goes with it.
    let (mut before, mut pairs) = ("", query);
    let mut is_first = true;
    loop {
        let end = pairs.find(ENDS).unwrap_or(pairs.len());
        let (pair, tail) = pairs.split_at(end);
        if !named(pair, name) {
            rest.push_str(if is_first { "?" } else { before });
            rest.push_str(pair);
            is_first = false;
        }
        if tail.is_empty() {
            return Some(rest);
        }
        (before, pairs) = tail.split_at(1);
    }
}

fn query(path: &str) -> &str {
    path.split_once('?').map_or("", |(_, query)| query)
}

fn named(pair: &str, name: &str) -> bool {
    !name.is_empty() && decode(pair.split_once('=').map_or(pair, |(name, _)| name)) == name
}

/// Decodes `application/x-www-form-urlencoded`: `+` is a blank, `%XX` a byte. An escape that is none stays as it is, and
/// bytes that are no UTF-8 become U+FFFD, which no token contains.
fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains(['+', '%']) {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, tail)) = next_byte(rest) {
        bytes.push(byte);
        rest = tail;
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

fn next_byte(text: &[u8]) -> Option<(u8, &[u8])> {
    Some(match text {
        [] => return None,
        [b'+', tail @ ..] => (b' ', tail),
        [b'%', high, low, tail @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
            (nibble(*high) << 4 | nibble(*low), tail)
        }
        [byte, tail @ ..] => (*byte, tail),
    })
}

/// The value of a hexadecimal digit.
fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(path: &str) -> Vec<Cow<'_, str>> {
        values(path, "apikey").collect()
    }

    #[test]
    fn parameters_are_decoded_as_forms_are() {
        for (path, expected) in [
            ("/pets", &[][..]),
            ("/pets?", &[]),
            ("/pets?apikey", &[]),
            ("/pets?apikey=", &[]),
            ("/pets?apikey=a.b.c", &["a.b.c"]),
            ("/pets?x=1&apikey=a.b.c&y=2", &["a.b.c"]),
            ("/pets?apikey=one&apikey=two", &["one", "two"]),
            ("/pets?%61pi%6Bey=a%2Eb%2ec%3D%3d", &["a.b.c=="]),
            ("/pets?apikey=a+b%20c", &["a b c"]),
            ("/pets?apikey=a=b=c", &["a=b=c"]),
            ("/pets?apikey=50%25%zz%4", &["50%%zz%4"]),
            ("/pets?apikey=%ff", &["\u{fffd}"]),
            ("/pets?apikey=%C3%A9", &["é"]),
            ("/pets?APIKEY=a", &[]),
            ("/pets?apikeys=a", &[]),
            ("/apikey=a", &[]),
            ("/pets?a=1?&apikey=b", &["b"]),
            ("/pets?x=1;apikey=a.b.c", &["a.b.c"]),
            ("/pets?;apikey=a.b.c;", &["a.b.c"]),
            ("/pets?x;%61pikey=a.b.c;y&apikey=d", &["a.b.c", "d"]),
            // Read at `;` first, as the original does, and then as if a `;` were nothing.
            ("/pets?apikey=a.b.c;x=1", &["a.b.c", "a.b.c;x=1"]),
            ("/pets?apikey=;apikey=b", &["b", ";apikey=b"]),
            ("/pets?apikey=a%3Bb", &["a;b"]),
        ] {
            assert_eq!(all(path), expected, "{path}");
        }
    }

    #[test]
    fn a_parameter_is_taken_out_and_the_rest_stays_byte_for_byte() {
        for (path, expected) in [
            ("/pets", None),
            ("/pets?x=%20&&y", None),
            ("/pets?apikey=k", Some("/pets")),
            ("/pets?apikey", Some("/pets")),
            ("/pets?apikey=k&x=1", Some("/pets?x=1")),
            ("/pets?x=1&apikey=k", Some("/pets?x=1")),
            (
                "/p%20q?x=%2f+&apikey=k&&y=?z&%61pikey=l",
                Some("/p%20q?x=%2f+&&y=?z"),
            ),
            ("/pets?apikey=k&apikey=l", Some("/pets")),
            ("/pets?x=1;apikey=k", Some("/pets?x=1")),
            ("/pets?apikey=k;x=1;y&z", Some("/pets?x=1;y&z")),
            ("/pets?x=1;apikey=k&y=2;z", Some("/pets?x=1&y=2;z")),
            ("/pets?x=1&apikey=k;y=2", Some("/pets?x=1;y=2")),
            ("/pets?x=1;y=2", None),
        ] {
            assert_eq!(without(path, "apikey").as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn an_empty_name_names_nothing() {
        assert_eq!(values("/pets?=a&", "").count(), 0);
        assert_eq!(without("/pets?=a&", ""), None);
    }

    proptest! {
        #[test]
        fn no_parameter_is_left_after_it_is_taken_out(query in "(apikey|%61pikey|x|&|;|=|%|\\+|k|\\?){0,24}") {
            let path = format!("/pets?{query}");
            let rest = without(&path, "apikey").unwrap_or(path);
            prop_assert_eq!(values(&rest, "apikey").count(), 0);
            prop_assert!(rest.starts_with("/pets"));
        }
    }
}
