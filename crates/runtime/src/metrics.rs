//! The registry that all metrics of a process hang in. It is filled while the process is put together, then read only.

use prometheus_client::encoding::text;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

/// What every name begins with.
pub const PREFIX: &str = "rescind";

/// The content type of [`encode`]'s text.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// An empty registry under the prefix `rescind`, with `rescind_build_info{part,version}` in it.
///
/// Each subsystem registers its own struct of metrics, usually below `registry.sub_registry_with_prefix("xds")`.
pub fn registry(part: &'static str, version: &'static str) -> Registry {
    let mut registry = Registry::with_prefix(PREFIX);
    let build = Info::new(vec![("part", part), ("version", version)]);
    registry.register("build", "What runs here", build);
    registry
}

/// The registry as OpenMetrics text, which Prometheus reads as well.
pub fn encode(registry: &Registry) -> Result<String, std::fmt::Error> {
    let mut page = String::new();
    text::encode(&mut page, registry)?;
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_what_runs() {
        let page = encode(&registry("adapter", "0.1.0")).unwrap();
        assert_eq!(
            page,
            "# HELP rescind_build What runs here.\n# TYPE rescind_build info\n\
             rescind_build_info{part=\"adapter\",version=\"0.1.0\"} 1\n# EOF\n"
        );
    }
}
