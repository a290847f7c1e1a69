//! Envoy's bootstrap, filled in from the template that operators read.

use std::path::Path;

use crate::{certs::Certs, ports::Ports};

/// What operators read.
pub(crate) const TEMPLATE: &str = include_str!("../../../deploy/envoy/envoy.yaml");
const H2_BEGIN: &str = "#begin h2\n";
const H2_END: &str = "#end h2\n";

/// The bootstrap for these ports. With `h2`, the test listener that speaks HTTP/2 is in it.
pub(crate) fn bootstrap(template: &str, ports: &Ports, certs: &Certs, h2: bool) -> String {
    let router = certs.identity("router");
    let template = match h2 {
        true => template.to_owned(),
        false => without_h2(template),
    };
    let port = |text: String, name: &str, port: u16| text.replace(&quoted(name), &port.to_string());
    let file =
        |text: String, name: &str, path: &Path| text.replace(&quoted(name), &path_literal(path));
    let text = port(template, "ADMIN_PORT", ports.envoy_admin);
    let text = port(text, "TLS_PORT", ports.envoy_tls);
    let text = port(text, "PLAIN_PORT", ports.envoy_plain);
    let text = port(text, "H2_PORT", ports.envoy_h2);
    let text = port(text, "EXT_AUTHZ_PORT", ports.ext_authz);
    let text = port(text, "UPSTREAM_PORT", ports.upstream);
    let text = file(text, "CERT", &router.cert);
    let text = file(text, "KEY", &router.key);
    file(text, "CA", &certs.ca())
}

fn quoted(name: &str) -> String {
    format!("\"${{{name}}}\"")
}

/// A double-quoted YAML string, which takes JSON's escapes.
fn path_literal(path: &Path) -> String {
    serde_json::Value::from(path.to_string_lossy()).to_string()
}

fn without_h2(template: &str) -> String {
    let (before, rest) = template
        .split_once(H2_BEGIN)
        .expect("the template has the HTTP/2 listener between its marks");
    let (_, after) = rest
        .split_once(H2_END)
        .expect("the template has the HTTP/2 listener between its marks");
    format!("{before}{after}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(h2: bool) -> String {
        let folder = tempfile::tempdir().unwrap();
        let certs = Certs::ensure(folder.path()).unwrap();
        bootstrap(TEMPLATE, &Ports::standard(0).unwrap(), &certs, h2)
    }

    #[test]
    fn nothing_is_left_to_fill_in() {
        for h2 in [false, true] {
            let text = filled(h2);
            let open: Vec<_> = text.lines().filter(|line| line.contains("\"${")).collect();
            assert!(open.is_empty(), "{open:?}");
            assert_eq!(text.contains("https-h2"), h2);
        }
    }

    #[test]
    fn requests_without_an_answer_from_the_enforcer_are_refused() {
        let text = filled(false);
        assert!(text.contains("failure_mode_allow: false"));
        assert!(text.contains("port_value: 8081"));
    }
}
