//! Where credentials stand in a request, and which of them Choreo Connect would use.
//!
//! Two questions, two answers. *Usable* is what the original would try to verify: one bearer token, one API key, one
//! internal key, each in its exact shape. *Found* is more: everything in a credential's place that may be a token, such as
//! a second header or a second query parameter. What is found is asked for in the revoked set, and only what is usable can
//! let a request pass.

use std::{borrow::Cow, sync::Arc};

use crate::{Headers, Request};

pub(crate) mod query;

/// Which kind of credential, in the order in which they are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CredentialKind {
    /// A key of the Publisher's test console.
    InternalKey,
    /// A bearer token.
    Bearer,
    /// An API key, from its header or from the query.
    ApiKey,
}

impl CredentialKind {
    /// A short name for metadata and labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InternalKey => "internal_key",
            Self::Bearer => "jwt",
            Self::ApiKey => "api_key",
        }
    }

    /// What Choreo Connect calls it in its dynamic metadata: the `tokenType`.
    pub fn token_type(self) -> &'static str {
        match self {
            Self::InternalKey => "Internal Key",
            Self::Bearer => "JWT",
            Self::ApiKey => "API Key",
        }
    }

    /// The `keytype` of one that does not say, as Choreo Connect has it where it validates no subscriptions.
    pub fn usual_key_type(self) -> &'static str {
        match self {
            Self::Bearer => "",
            Self::InternalKey | Self::ApiKey => "PRODUCTION",
        }
    }
}

/// Where credentials are looked for. Header names are compared without case.
///
/// An API of Choreo Connect's may have names of its own, so there can be several for each kind: each is looked at.
#[derive(Debug, Clone)]
pub struct CredentialNames {
    bearers: Names,
    api_key_headers: Names,
    api_key_queries: Names,
    internal_keys: Names,
}

/// No empty one among them.
type Names = Arc<[Box<str>]>;

impl CredentialNames {
    /// Names for the bearer token's header, the API key's header and query parameter, and the internal key's header; an empty
    /// one for none.
    pub fn new(
        bearer: &str,
        api_key_header: &str,
        api_key_query: &str,
        internal_key: &str,
    ) -> Self {
        Self {
            bearers: headers([bearer]),
            api_key_headers: headers([api_key_header]),
            api_key_queries: named([api_key_query.into()]),
            internal_keys: headers([internal_key]),
        }
    }

    /// With these headers of bearer tokens.
    #[must_use]
    pub fn with_bearers<'n>(mut self, names: impl IntoIterator<Item = &'n str>) -> Self {
        self.bearers = headers(names);
        self
    }

    /// With these headers of API keys.
    #[must_use]
    pub fn with_api_key_headers<'n>(mut self, names: impl IntoIterator<Item = &'n str>) -> Self {
        self.api_key_headers = headers(names);
        self
    }

    /// With these query parameters of API keys.
    #[must_use]
    pub fn with_api_key_queries<'n>(mut self, names: impl IntoIterator<Item = &'n str>) -> Self {
        self.api_key_queries = named(names.into_iter().map(Box::from));
        self
    }

    /// With these headers of internal keys.
    #[must_use]
    pub fn with_internal_keys<'n>(mut self, names: impl IntoIterator<Item = &'n str>) -> Self {
        self.internal_keys = headers(names);
        self
    }

    /// The headers that must not reach the upstream, in lower case: those of keys, and that of the bearer token unless it
    /// goes on.
    pub(crate) fn to_remove(&self, outbound_bearer: bool) -> impl Iterator<Item = &str> {
        let bearers = (!outbound_bearer).then_some(self.bearers());
        let keys = self.internal_keys().chain(self.api_key_headers());
        keys.chain(bearers.into_iter().flatten())
    }

    /// The bearer token's headers, in lower case.
    pub fn bearers(&self) -> impl Iterator<Item = &str> {
        self.bearers.iter().map(|name| &**name)
    }

    /// The API key's headers, in lower case.
    pub fn api_key_headers(&self) -> impl Iterator<Item = &str> {
        self.api_key_headers.iter().map(|name| &**name)
    }

    /// The API key's query parameters.
    pub fn api_key_queries(&self) -> impl Iterator<Item = &str> {
        self.api_key_queries.iter().map(|name| &**name)
    }

    /// The internal key's headers, in lower case.
    pub fn internal_keys(&self) -> impl Iterator<Item = &str> {
        self.internal_keys.iter().map(|name| &**name)
    }
}

fn headers<'n>(names: impl IntoIterator<Item = &'n str>) -> Names {
    let lower = |name: &str| name.to_ascii_lowercase().into();
    named(names.into_iter().map(lower))
}

fn named(names: impl IntoIterator<Item = Box<str>>) -> Names {
    let names = names.into_iter();
    names.filter(|name| !name.is_empty()).collect()
}

/// Choreo Connect's defaults, and the names that API Manager gives to its API-key schemes.
impl Default for CredentialNames {
    fn default() -> Self {
        Self::new("authorization", "apikey", "apikey", "Internal-Key")
    }
}

/// One thing in a credential's place.
pub(crate) struct Credential<'a> {
    pub(crate) kind: CredentialKind,
    pub(crate) text: Cow<'a, str>,
    /// Whether the original would try to verify it.
    pub(crate) usable: bool,
}

/// More credentials than any client has a reason to send.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooMany;

/// How many credentials of one request are looked at. A request with more is refused: the bound keeps the work for a
/// hostile one small.
pub(crate) const MAX_CREDENTIALS: usize = 16;

/// Everything that is found, in the order in which the original tries it.
pub(crate) fn find<'a, H: Headers + ?Sized>(
    request: &Request<'a, H>,
    names: &CredentialNames,
) -> Result<Vec<Credential<'a>>, TooMany> {
    let mut found = Found(Vec::new());
    internal_keys(&mut found, request.headers, names)?;
    bearer_tokens(&mut found, request.headers, names)?;
    api_keys(&mut found, request, names)?;
    Ok(found.0)
}

/// Whether `text` has three parts as the original counts them: empty parts at the end do not count.
pub(crate) fn has_three_parts(text: &str) -> bool {
    // Tokens are long: as many as a byte can count are counted in bytes, many at once.
    let dots = text
        .trim_end_matches('.')
        .as_bytes()
        .chunks(usize::from(u8::MAX))
        .map(|piece| {
            piece
                .iter()
                .fold(0, |dots, byte| dots + u8::from(*byte == b'.'))
        });
    dots.map(usize::from).sum::<usize>() == 2
}

struct Found<'a>(Vec<Credential<'a>>);

impl<'a> Found<'a> {
    fn add(
        &mut self,
        kind: CredentialKind,
        text: Cow<'a, str>,
        usable: bool,
    ) -> Result<(), TooMany> {
        if self.0.len() == MAX_CREDENTIALS {
            return Err(TooMany);
        }
        self.0.push(Credential { kind, text, usable });
        Ok(())
    }

    /// Takes the values of a header that holds nothing but a key. Several values are what a proxy would have joined with
    /// commas, and no key: each is found, none is usable.
    fn add_keys(&mut self, kind: CredentialKind, values: &[Value<'a>]) -> Result<(), TooMany> {
        for value in values {
            let text = &value.text;
            let usable = value.is_text && values.len() == 1 && has_three_parts(text);
            self.add(kind, text.clone(), usable)?;
            if text.contains(',') {
                for element in value.parts(|text| elements(text).collect()) {
                    self.add(kind, element, false)?;
                }
            }
        }
        Ok(())
    }
}

/// A header's value, trimmed and not empty.
struct Value<'a> {
    /// Where it is no UTF-8, with U+FFFD for what is none: a lenient decoder passes over it, and so does ours.
    text: Cow<'a, str>,
    /// Whether it is UTF-8. What is not is found, and never usable.
    is_text: bool,
}

impl<'a> Value<'a> {
    fn new(bytes: &'a [u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(bytes.trim_ascii());
        (!text.is_empty()).then_some(Self {
            is_text: matches!(text, Cow::Borrowed(_)),
            text,
        })
    }

    /// Parts of the text, borrowed where the text is.
    fn parts(&self, cut: impl for<'t> Fn(&'t str) -> Vec<&'t str>) -> Vec<Cow<'a, str>> {
        match &self.text {
            Cow::Borrowed(text) => cut(text).into_iter().map(Cow::Borrowed).collect(),
            Cow::Owned(text) => {
                let parts = cut(text).into_iter();
                parts.map(|part| Cow::Owned(part.to_owned())).collect()
            }
        }
    }
}

fn internal_keys<'a, H: Headers + ?Sized>(
    found: &mut Found<'a>,
    headers: &'a H,
    names: &CredentialNames,
) -> Result<(), TooMany> {
    for name in names.internal_keys() {
        found.add_keys(CredentialKind::InternalKey, &values(headers, name))?;
    }
    Ok(())
}

fn bearer_tokens<'a, H: Headers + ?Sized>(
    found: &mut Found<'a>,
    headers: &'a H,
    names: &CredentialNames,
) -> Result<(), TooMany> {
    for name in names.bearers() {
        bearer_tokens_of(found, &values(headers, name))?;
    }
    Ok(())
}

/// The tokens of one header.
fn bearer_tokens_of<'a>(found: &mut Found<'a>, values: &[Value<'a>]) -> Result<(), TooMany> {
    if let [value] = values
        && let Cow::Borrowed(text) = value.text
        && let Some(token) = bearer_token(text)
    {
        found.add(
            CredentialKind::Bearer,
            Cow::Borrowed(token),
            has_three_parts(token),
        )?;
        if !token.contains(',') {
            return Ok(());
        }
    }
    for word in values.iter().flat_map(|value| value.parts(bearer_words)) {
        found.add(CredentialKind::Bearer, word, false)?;
    }
    Ok(())
}

/// What may be a bearer token in a value that is not one alone.
fn bearer_words(value: &str) -> Vec<&str> {
    let words = elements(value).flat_map(|element| {
        let mut words = element.split_ascii_whitespace().peekable();
        let bearer = words.next_if(|word| is_bearer(word)).is_some();
        words.filter(move |word| bearer || has_three_parts(word))
    });
    words.collect()
}

/// The header comes before the query, and the first parameter of a name before the others.
///
/// With several names each has a place of its own: an API has one of them, and what stands under another's is not in its
/// way. A header and a parameter of one API share theirs: those of the same name, or those that are alone.
fn api_keys<'a, H: Headers + ?Sized>(
    found: &mut Found<'a>,
    request: &Request<'a, H>,
    names: &CredentialNames,
) -> Result<(), TooMany> {
    let alone = names.api_key_headers.len() == 1 && names.api_key_queries.len() == 1;
    let mut held = Vec::new();
    for name in names.api_key_headers() {
        let values = values(request.headers, name);
        found.add_keys(CredentialKind::ApiKey, &values)?;
        if !values.is_empty() {
            held.push(name);
        }
    }
    for name in names.api_key_queries() {
        let shared = |header: &&str| alone || header.eq_ignore_ascii_case(name);
        let mut free = !held.iter().any(shared);
        for value in query::values(request.path, name) {
            let usable = free && has_three_parts(&value);
            found.add(CredentialKind::ApiKey, value, usable)?;
            free = false;
        }
    }
    Ok(())
}

/// The values of a header. What is empty is no credential.
fn values<'a, H: Headers + ?Sized>(headers: &'a H, name: &str) -> Vec<Value<'a>> {
    headers.values(name).filter_map(Value::new).collect()
}

/// The token of a value with exactly two words, the first of them `bearer`. The value is trimmed.
fn bearer_token(value: &str) -> Option<&str> {
    let end = value.bytes().position(|byte| byte.is_ascii_whitespace())?;
    let (scheme, token) = value.split_at(end);
    let token = token.trim_ascii_start();
    (is_bearer(scheme) && !has_blank(token)).then_some(token)
}

/// Tokens are long: the least byte is found for many at once, and tells nearly always.
fn has_blank(text: &str) -> bool {
    let least = text.bytes().fold(u8::MAX, u8::min);
    least <= b' ' && text.bytes().any(|byte| byte.is_ascii_whitespace())
}

fn is_bearer(word: &str) -> bool {
    word.eq_ignore_ascii_case("bearer")
}

fn elements(value: &str) -> impl Iterator<Item = &str> {
    value
        .split(',')
        .map(str::trim_ascii)
        .filter(|element| !element.is_empty())
}

#[cfg(test)]
mod tests;
