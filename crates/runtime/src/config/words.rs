//! The words that errors are made of.

/// The longest value that is repeated in an error.
const MAX_SHOWN: usize = 60;

/// What is said of a key that nobody knows: the nearest one that is known, or all of them.
pub(super) fn unknown_key(key: &str, known: &[&str]) -> String {
    match nearest(key, known) {
        Some(nearest) => format!("unknown key, did you mean {nearest}?"),
        None if known.is_empty() => "unknown key, there are none here".to_owned(),
        None => format!("unknown key, known here: {}", known.join(", ")),
    }
}

fn nearest<'a>(key: &str, known: &[&'a str]) -> Option<&'a str> {
    let fold = |key: &str| key.to_lowercase().replace(['_', '-'], "");
    let key = fold(key);
    let likeness = |known: &str| strsim::normalized_damerau_levenshtein(&key, &fold(known));
    known
        .iter()
        .map(|known| (likeness(known), *known))
        .filter(|(likeness, _)| *likeness >= 0.6)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, known)| known)
}

/// `"a", "b" or "c"`.
pub(super) fn one_of(known: &[&str]) -> String {
    let quoted: Vec<_> = known.iter().map(|known| quote(known)).collect();
    match quoted.as_slice() {
        [] => "nothing".to_owned(),
        [one] => one.clone(),
        [others @ .., last] => format!("{} or {last}", others.join(", ")),
    }
}

/// `"text"`, shortened, its user and password cut out if it is a URL that has them.
pub(super) fn quote(text: &str) -> String {
    let text = mask_userinfo(text);
    let mut shown: String = text.chars().take(MAX_SHOWN).collect();
    if shown.len() < text.len() {
        shown.push_str("...");
    }
    format!("\"{}\"", shown.replace('"', "\\\""))
}

/// `amqp://user:password@host` with `***` for user and password.
pub(super) fn mask_userinfo(text: &str) -> String {
    match userinfo(text) {
        Some(range) => format!("{}***{}", &text[..range.start], &text[range.end..]),
        None => text.to_owned(),
    }
}

/// Where user and password stand in a URL. Up to the *last* `@`: a password may hold one, and hiding too much does no harm.
pub(super) fn userinfo(text: &str) -> Option<std::ops::Range<usize>> {
    let start = text.find("://")? + 3;
    let end = start + text[start..].rfind('@')?;
    Some(start..end)
}

/// serde's name for a type, as an operator would say it.
pub(super) fn in_plain_words(expected: &str) -> &str {
    match expected {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" | "u128" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => "a whole number",
        "a nonzero u8" => "a whole number from 1 to 255",
        "a nonzero u16" => "a whole number from 1 to 65535",
        "a nonzero u32" => "a whole number from 1 to 4294967295",
        "a nonzero u64" | "a nonzero usize" => "a whole number, 1 or more",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a sequence" => "an array",
        "a map" => "a table",
        "path string" => "a path",
        other if other.starts_with("struct ") => "a table",
        other if other.starts_with("enum ") => "a string",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_password_are_cut_out_of_urls() {
        assert_eq!(
            mask_userinfo("amqp://u:p@h:5672/v?a='1'"),
            "amqp://***@h:5672/v?a='1'"
        );
        assert_eq!(mask_userinfo("amqp://u:p@ss/w@h"), "amqp://***@h");
        assert_eq!(mask_userinfo("https://apim:9443/"), "https://apim:9443/");
        assert_eq!(mask_userinfo("someone@example.org"), "someone@example.org");
    }

    #[test]
    fn values_are_quoted_and_shortened() {
        assert_eq!(quote("a\"b"), "\"a\\\"b\"");
        assert_eq!(quote(&"x".repeat(61)), format!("\"{}...\"", "x".repeat(60)));
    }
}
