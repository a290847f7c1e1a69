//! Which benchmarks there are, and their programs.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// One `[[bench]]` of a member of the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The member, such as `rescind-revocation`.
    pub package: String,
    /// The benchmark, such as `set`.
    pub name: String,
    /// The member's folder: a benchmark runs in it, as `cargo bench` has it.
    pub folder: PathBuf,
}

/// The workspace, as cargo describes it.
#[derive(Debug)]
pub struct Workspace {
    /// Its benchmarks.
    pub benches: Vec<Target>,
    /// Its root.
    pub root: PathBuf,
    /// Where cargo builds.
    pub target: PathBuf,
}

/// The programs of which a release consists; the benchmark of the system runs them.
const PROGRAMS: [&str; 4] = [
    "rescind-adapter",
    "rescind-enforcer",
    "rescind-standin",
    "rescind-stack",
];

/// Asks cargo.
///
/// # Errors
///
/// Where cargo fails or says what is not understood.
pub fn workspace() -> Result<Workspace> {
    let arguments = ["metadata", "--no-deps", "--format-version", "1"];
    read(&cargo(&arguments.map(str::to_owned), Stdio::inherit())?)
}

fn read(metadata: &str) -> Result<Workspace> {
    let metadata: Value = serde_json::from_str(metadata).context("cargo's metadata is not JSON")?;
    let path = |name: &str| {
        let text = metadata[name]
            .as_str()
            .with_context(|| format!("cargo's metadata has no {name}"))?;
        Ok::<_, anyhow::Error>(PathBuf::from(text))
    };
    let mut benches = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let targets = package["targets"].as_array().into_iter().flatten();
        for target in targets.filter(|target| target["kind"] == serde_json::json!(["bench"])) {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let manifest = PathBuf::from(text(&package["manifest_path"]));
            benches.push(Target {
                package: text(&package["name"]),
                name: text(&target["name"]),
                folder: manifest.parent().unwrap_or(Path::new(".")).to_owned(),
            });
        }
    }
    Ok(Workspace {
        benches,
        root: path("workspace_root")?,
        target: path("target_directory")?,
    })
}

/// Builds the chosen ones, and then the programs as `make build` does: a benchmark's build may have left others in their
/// place, with features that only tests have. Returns a program for each that was chosen.
///
/// # Errors
///
/// Where something does not compile.
pub fn build(all: &[Target], chosen: &[Target]) -> Result<Vec<PathBuf>> {
    let mut arguments: Vec<String> = [
        "bench",
        "--no-run",
        "--message-format=json-render-diagnostics",
    ]
    .map(str::to_owned)
    .into();
    // All packages, whichever is chosen: dependencies have the features that the packages together ask for, and would be
    // compiled anew for each selection.
    for target in all {
        arguments.extend(["-p", &target.package].map(str::to_owned));
    }
    for target in chosen {
        arguments.extend(["--bench", &target.name].map(str::to_owned));
    }
    let messages = cargo(&arguments, Stdio::inherit())?;
    let mut release: Vec<String> = ["build", "--release"].map(str::to_owned).into();
    for program in PROGRAMS {
        release.extend(["-p", program].map(str::to_owned));
    }
    cargo(&release, Stdio::inherit())?;
    let find = |target| {
        executable(&messages, target)
            .with_context(|| format!("cargo built no program for {target:?}"))
    };
    chosen.iter().map(find).collect()
}

/// The program of a target, in what cargo says while it builds.
fn executable(messages: &str, target: &Target) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["kind"] == serde_json::json!(["bench"]))
        .filter(|message| message["target"]["name"] == target.name.as_str())
        .filter(|message| {
            let manifest = message["manifest_path"].as_str().unwrap_or_default();
            Path::new(manifest).parent() == Some(&target.folder)
        })
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
}

fn cargo(arguments: &[String], errors: Stdio) -> Result<String> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(program)
        .args(arguments)
        .stderr(errors)
        .stdout(Stdio::piped())
        .output()
        .context("cannot start cargo")?;
    ensure!(
        output.status.success(),
        "cargo {} failed",
        arguments.join(" ")
    );
    String::from_utf8(output.stdout).context("cargo does not write UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set() -> Target {
        Target {
            package: "rescind-revocation".to_owned(),
            name: "set".to_owned(),
            folder: "/w/crates/revocation".into(),
        }
    }

    #[test]
    fn only_benchmarks_are_taken_from_the_metadata() {
        let metadata = r#"{"packages":[{"name":"rescind-revocation","manifest_path":"/w/crates/revocation/Cargo.toml",
            "targets":[{"kind":["lib"],"name":"rescind_revocation"},{"kind":["bench"],"name":"set"},
            {"kind":["test"],"name":"loom"}]}],"workspace_root":"/w","target_directory":"/w/target"}"#;
        let workspace = read(metadata).unwrap();
        assert_eq!(workspace.benches, [set()]);
        assert_eq!(workspace.target, Path::new("/w/target"));
    }

    #[test]
    fn a_benchmarks_program_is_found_by_folder_and_name() {
        let line = |folder: &str, kind: &str, path: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","manifest_path":"{folder}/Cargo.toml",
                "target":{{"kind":["{kind}"],"name":"set"}},"executable":"{path}"}}"#
            )
            .replace('\n', "")
        };
        let messages = [
            line("/w/crates/other", "bench", "/other"),
            line("/w/crates/revocation", "bin", "/bin"),
            line("/w/crates/revocation", "bench", "/set"),
        ];
        let found = executable(&messages.join("\n"), &set());
        assert_eq!(found.as_deref(), Some(Path::new("/set")));
        assert_eq!(executable(&messages[..2].join("\n"), &set()), None);
    }
}
