//! The arguments that every part takes.

use std::path::{Path, PathBuf};

use clap::Args;

/// `--config` and `--check`, to be flattened into a part's own arguments; `--version` comes from clap's
/// `#[command(version)]`, and a wrong argument ends the process with 2, which is clap's own code for it.
#[derive(Debug, Clone, Default, Args)]
pub struct CommonArgs {
    /// Path of the configuration file
    #[arg(long, value_name = "PATH", env = "RESCIND_CONFIG")]
    pub config: Option<PathBuf>,

    /// Check the configuration, say what is wrong with it, and end
    #[arg(long)]
    pub check: bool,
}

impl CommonArgs {
    /// The configuration file: the one named, else `default`.
    pub fn config_or<'a>(&'a self, default: &'a str) -> &'a Path {
        self.config.as_deref().unwrap_or(Path::new(default))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Arguments {
        #[command(flatten)]
        common: CommonArgs,
    }

    #[test]
    fn the_configuration_file_has_a_default() {
        let arguments = Arguments::parse_from(["part"]);
        let default = arguments.common.config_or("/etc/rescind/part.toml");
        assert_eq!(default, Path::new("/etc/rescind/part.toml"));
        assert!(!arguments.common.check);

        let arguments = Arguments::parse_from(["part", "--config", "here.toml", "--check"]);
        assert_eq!(arguments.common.config_or("-"), Path::new("here.toml"));
        assert!(arguments.common.check);
    }

    #[test]
    fn a_wrong_argument_is_a_matter_of_usage() {
        let error = Arguments::try_parse_from(["part", "--confg", "x"]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
    }
}
