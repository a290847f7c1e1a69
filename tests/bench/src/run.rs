//! Running: which benchmarks, one after the other, and what is written of them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{
    figure::{Figure, figures},
    machine::Machine,
    row::{Row, join},
    targets::{self, Target, Workspace},
};

/// What is to be run.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// Names of benchmarks, of packages, or the beginnings of the system's figures; all run where there are none.
    pub only: Vec<String>,
    /// With the slow rows of ten million entries in the ledger.
    pub full: bool,
}

/// What the figures of the system's benchmark begin with.
const SYSTEM: [&str; 6] = ["e2e", "ingest", "envoy", "start", "size", "rss"];

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// Where it was.
    pub machine: Machine,
    /// Every figure with its goal.
    pub rows: Vec<Row>,
    /// The benchmarks that failed, each with why.
    pub failed: Vec<String>,
}

/// The files of a run, in `target/bench`.
#[derive(Debug, Clone)]
pub struct Files {
    folder: PathBuf,
}

impl Files {
    /// In this build folder.
    pub fn below(target: &Path) -> Self {
        Self {
            folder: target.join("bench"),
        }
    }

    /// One row a line.
    pub fn results(&self) -> PathBuf {
        self.folder.join("results.json")
    }

    /// The machine.
    pub fn machine(&self) -> PathBuf {
        self.folder.join("machine.json")
    }

    /// What a benchmark says beside its figures.
    pub fn log(&self, target: &Target) -> PathBuf {
        self.folder.join(format!("{}.log", target.name))
    }

    /// Writes what came of a run.
    ///
    /// # Errors
    ///
    /// Where the disk refuses.
    pub fn write(&self, machine: &Machine, rows: &[Row]) -> Result<()> {
        let mut lines = String::new();
        for row in rows {
            lines += &serde_json::to_string(row)?;
            lines.push('\n');
        }
        write(&self.results(), &lines)?;
        write(&self.machine(), &serde_json::to_string(machine)?)
    }

    /// Reads it again.
    ///
    /// # Errors
    ///
    /// Where there was no run, or its files are damaged.
    pub fn read(&self) -> Result<(Machine, Vec<Row>)> {
        let text = |path: &Path| {
            fs::read_to_string(path)
                .with_context(|| format!("cannot read {}; `make bench` makes it", path.display()))
        };
        let machine =
            serde_json::from_str(&text(&self.machine())?).context("machine.json is damaged")?;
        let rows = text(&self.results())?
            .lines()
            .map(|line| serde_json::from_str(line).with_context(|| format!("not a row: {line}")))
            .collect::<Result<_>>()?;
        Ok((machine, rows))
    }
}

/// Builds and runs; `say` hears how it goes. What was measured is written also where a benchmark fails.
///
/// # Errors
///
/// Where nothing can be built or nothing answers to the plan.
pub fn run(workspace: &Workspace, plan: &Plan, say: &dyn Fn(&str)) -> Result<Outcome> {
    let files = Files::below(&workspace.target);
    let chosen = plan.choose(&workspace.benches)?;
    fs::create_dir_all(&files.folder)
        .with_context(|| format!("cannot make {}", files.folder.display()))?;
    say(&format!(
        "building {} benchmarks and the programs (release)",
        chosen.len()
    ));
    let programs = targets::build(&workspace.benches, &chosen)?;
    let machine = Machine::look();
    say(&machine.line());
    let (mut measured, mut failed) = (Vec::new(), Vec::new());
    for (target, program) in chosen.iter().zip(&programs) {
        say(&format!("running {} {}", target.package, target.name));
        let began = Instant::now();
        match measure(target, program, plan, &files) {
            Ok(figures) => {
                say(&format!(
                    "  {} figures in {:.0} s",
                    figures.len(),
                    began.elapsed().as_secs_f64()
                ));
                measured.extend(figures);
            }
            Err(error) => {
                say(&format!("  failed: {error:#}"));
                failed.push(format!("{} {}: {error:#}", target.package, target.name));
            }
        }
    }
    let rows = join(measured);
    files.write(&machine, &rows)?;
    Ok(Outcome {
        machine,
        rows,
        failed,
    })
}

impl Plan {
    /// The benchmarks that answer to the words.
    fn choose(&self, benches: &[Target]) -> Result<Vec<Target>> {
        let chosen: Vec<_> = benches
            .iter()
            .filter(|target| self.takes(target))
            .cloned()
            .collect();
        ensure!(
            !chosen.is_empty(),
            "no benchmark answers to {}",
            self.only.join(", ")
        );
        Ok(chosen)
    }

    fn takes(&self, target: &Target) -> bool {
        let short = target.package.trim_start_matches("rescind-");
        let is_named = |word: &String| {
            [&target.name, &target.package, short]
                .iter()
                .any(|name| *name == word)
        };
        // The system's benchmark alone measures what it is asked for, so that one row need not cost minutes.
        let is_figure = |word: &String| {
            let of_it = |family: &&str| word == family || word.starts_with(&format!("{family}."));
            target.package == "rescind-bench" && SYSTEM.iter().any(of_it)
        };
        self.only.is_empty()
            || self
                .only
                .iter()
                .any(|word| is_named(word) || is_figure(word))
    }
}

/// Runs one as `cargo bench` does, its talk to a log.
fn measure(target: &Target, program: &Path, plan: &Plan, files: &Files) -> Result<Vec<Figure>> {
    let log = files.log(target);
    let talk = fs::File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut command = Command::new(program);
    command
        .arg("--bench")
        .current_dir(&target.folder)
        .env("BENCH_ONLY", plan.only.join(","))
        .stderr(talk)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    if plan.full {
        command.env("BENCH_10M", "1");
    }
    let output = command
        .output()
        .with_context(|| format!("cannot start {}", program.display()))?;
    if !output.status.success() {
        bail!(
            "{}; the end of {}:\n{}",
            output.status,
            log.display(),
            last_lines(&log)
        );
    }
    figures(&String::from_utf8_lossy(&output.stdout))
}

fn last_lines(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests;
