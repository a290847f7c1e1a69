//! Dotted keys: `enforcer.security.tokenService[1].issuer`.

/// `parent.key`, or `key` at the top. A key that is not bare is quoted, as in TOML.
pub(super) fn child(parent: &str, key: &str) -> String {
    let bare = !key.is_empty()
        && key
            .chars()
            .all(|character| character.is_ascii_alphanumeric() || "_-".contains(character));
    let key = if bare {
        key.to_owned()
    } else {
        format!("\"{}\"", key.escape_debug())
    };
    match parent {
        "" => key,
        parent => format!("{parent}.{key}"),
    }
}

/// `parent[at]`.
pub(super) fn element(parent: &str, at: usize) -> String {
    format!("{parent}[{at}]")
}

/// The path of what `path` lies in: `a.b` of `a.b.c` and of `a.b[3]`, and the empty path at the top.
pub(super) fn parent(path: &str) -> &str {
    path.rfind(['.', '[']).map_or("", |at| &path[..at])
}

/// `path` without indices, as a [`Schema`](super::Schema) has it.
pub(super) fn without_indices(path: &str) -> String {
    let mut plain = String::with_capacity(path.len());
    let mut inside = false;
    for character in path.chars() {
        match character {
            '[' => inside = true,
            ']' => inside = false,
            character if !inside => plain.push(character),
            _ => {}
        }
    }
    plain
}

/// Whether `path` is `ancestor` or lies in it.
pub(super) fn is_within(path: &str, ancestor: &str) -> bool {
    ancestor.is_empty()
        || path
            .strip_prefix(ancestor)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// Whether the name of the last key says that its value is secret.
pub(super) fn names_a_secret(path: &str) -> bool {
    let plain = without_indices(path).to_ascii_lowercase();
    let last = plain.rsplit('.').next().unwrap_or_default();
    [
        "password",
        "passwd",
        "passphrase",
        "pwd",
        "secret",
        "credential",
    ]
    .iter()
    .any(|word| last.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_put_together_and_taken_apart() {
        assert_eq!(child("", "log"), "log");
        assert_eq!(child("a.b", "c d"), "a.b.\"c d\"");
        assert_eq!(element("a.b", 3), "a.b[3]");
        assert_eq!(parent("a.b[3].c"), "a.b[3]");
        assert_eq!(parent("a.b[3]"), "a.b");
        assert_eq!(parent("a"), "");
        assert_eq!(without_indices("a[0].b[12].c"), "a.b.c");
    }

    #[test]
    fn a_path_is_within_its_ancestors_and_itself() {
        assert!(is_within("a.b", "a.b"));
        assert!(is_within("a.b[0].c", "a.b"));
        assert!(!is_within("a.bc", "a.b"));
        assert!(is_within("a", ""));
    }

    #[test]
    fn secrets_are_known_by_their_last_key() {
        assert!(names_a_secret("controlPlane.password"));
        assert!(names_a_secret("a.clientSecret"));
        assert!(names_a_secret("a.passwords[2]"));
        assert!(!names_a_secret("passwords.length"));
        assert!(!names_a_secret("tokenService[0].issuer"));
    }
}
