//! Debian packages, installed without starting a service.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, Result, bail};
use tokio::process::Command;

use super::on_path;

/// What `invoke-rc.d` and `deb-systemd-invoke` ask before they start a service.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Installs `package`, which brings `what`. Without root or apt-get, the error names the one command that would.
pub(super) async fn install(what: &str, package: &str, say: &(dyn Fn(&str) + Sync)) -> Result<()> {
    let Some(apt) = on_path("apt-get") else {
        bail!(
            "{what} is missing, and this system has no apt-get to install it with; {}",
            elsewhere(package)
        );
    };
    if !nix::unistd::geteuid().is_root() {
        bail!(
            "{what} is missing, and installing it needs root; this command does: {}",
            command(package)
        );
    }
    say(&format!(
        "installing {what}: apt-get install --no-install-recommends {package} (no service is started)"
    ));
    let policy = NoServices::impose(Path::new(POLICY))?;
    let mut outcome = run(&apt, &["install", "-y", "--no-install-recommends", package]).await;
    if outcome.is_err() {
        say("the package lists may be old: apt-get update, then once more");
        run(&apt, &["update"]).await?;
        outcome = run(&apt, &["install", "-y", "--no-install-recommends", package]).await;
    }
    drop(policy);
    outcome.with_context(|| format!("cannot install {what}; try: {}", command(package)))
}

fn command(package: &str) -> String {
    format!("sudo apt-get install -y --no-install-recommends {package}")
}

fn elsewhere(package: &str) -> String {
    for (program, verb) in [
        ("dnf", "install -y"),
        ("zypper", "install -y"),
        ("pacman", "-S --noconfirm"),
        ("apk", "add"),
    ] {
        if on_path(program).is_some() {
            return format!("this command may: sudo {program} {verb} {package}");
        }
    }
    format!("install your system's package {package}")
}

async fn run(apt: &Path, arguments: &[&str]) -> Result<()> {
    // In a group of its own: a Ctrl-C in the terminal must not cut dpkg in the middle of a package.
    let output = Command::new(apt)
        .args(["-o", "DPkg::Lock::Timeout=120", "-q"])
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .process_group(0)
        .output()
        .await
        .with_context(|| format!("cannot start {}", apt.display()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    bail!("apt-get {}: {}", arguments.join(" "), last_lines(&said, 4));
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    lines[lines.len().saturating_sub(count)..].join("; ")
}

/// No service is started. The comment tells a later run whose this is.
const NO_SERVICES: &str = "#!/bin/sh\n# rescind-stack: while packages are installed\nexit 101\n";

/// While it lives, the system's policy is to start no service. What was there before comes back.
struct NoServices {
    policy: PathBuf,
    aside: PathBuf,
}

impl NoServices {
    fn impose(policy: &Path) -> Result<Self> {
        let guard = Self {
            policy: policy.to_owned(),
            aside: policy.with_extension("d.before-rescind"),
        };
        // An earlier run may have been killed before it could clean up: then one that stands aside is the true one, and one
        // of our own is nobody's.
        let is_ours = fs::read(policy).is_ok_and(|text| text == NO_SERVICES.as_bytes());
        if policy.exists() && !is_ours && !guard.aside.exists() {
            fs::rename(policy, &guard.aside)
                .with_context(|| format!("cannot put {} aside", policy.display()))?;
        }
        fs::write(policy, NO_SERVICES)
            .and_then(|()| fs::set_permissions(policy, fs::Permissions::from_mode(0o755)))
            .with_context(|| format!("cannot write {}", policy.display()))?;
        Ok(guard)
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        let _ = match self.aside.exists() {
            true => fs::rename(&self.aside, &self.policy),
            false => fs::remove_file(&self.policy),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_that_was_there_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let policy = folder.path().join("policy-rc.d");
        fs::write(&policy, "mine").unwrap();
        let guard = NoServices::impose(&policy).unwrap();
        assert!(fs::read_to_string(&policy).unwrap().contains("exit 101"));
        drop(guard);
        assert_eq!(fs::read_to_string(&policy).unwrap(), "mine");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn where_there_was_no_policy_there_is_none_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        drop(NoServices::impose(&folder.path().join("policy-rc.d")).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_policy_of_a_run_that_was_killed_is_not_taken_for_the_systems() {
        let folder = tempfile::tempdir().unwrap();
        let policy = folder.path().join("policy-rc.d");
        fs::write(&policy, "mine").unwrap();
        std::mem::forget(NoServices::impose(&policy).unwrap());
        drop(NoServices::impose(&policy).unwrap());
        assert_eq!(fs::read_to_string(&policy).unwrap(), "mine");
    }

    #[test]
    fn our_own_policy_of_a_run_that_was_killed_does_not_stay() {
        let folder = tempfile::tempdir().unwrap();
        let policy = folder.path().join("policy-rc.d");
        std::mem::forget(NoServices::impose(&policy).unwrap());
        drop(NoServices::impose(&policy).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
