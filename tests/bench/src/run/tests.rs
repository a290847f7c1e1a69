use super::*;

fn target(package: &str, name: &str) -> Target {
    Target {
        package: package.to_owned(),
        name: name.to_owned(),
        folder: std::env::temp_dir(),
    }
}

fn chosen(only: &[&str]) -> Vec<String> {
    let benches = [
        target("rescind-revocation", "set"),
        target("rescind-adapter", "catchup"),
        target("rescind-adapter", "fleet"),
        target("rescind-bench", "system"),
    ];
    let plan = Plan {
        only: only.iter().map(|word| (*word).to_owned()).collect(),
        full: false,
    };
    let chosen = plan.choose(&benches).unwrap_or_default();
    chosen.into_iter().map(|target| target.name).collect()
}

#[test]
fn a_subset_is_named_by_benchmark_package_or_figure() {
    assert_eq!(chosen(&[]).len(), 4);
    assert_eq!(chosen(&["set", "fleet"]), ["set", "fleet"]);
    assert_eq!(chosen(&["adapter"]), ["catchup", "fleet"]);
    assert_eq!(chosen(&["rescind-adapter"]), ["catchup", "fleet"]);
    assert_eq!(chosen(&["e2e.idle"]), ["system"]);
    assert!(chosen(&["sett"]).is_empty());
}

/// What a program gives that does what `script` says.
fn shell(script: &str) -> Result<Vec<Figure>> {
    let folder = tempfile::tempdir().unwrap();
    let files = Files::below(folder.path());
    fs::create_dir_all(&files.folder).unwrap();
    fs::write(folder.path().join("script"), script).unwrap();
    let target = Target {
        folder: folder.path().to_owned(),
        ..target("rescind-x", "x")
    };
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/run/bench.sh");
    measure(&target, &program, &Plan::default(), &files)
}

#[test]
fn the_figures_of_a_program_are_read_from_its_output() {
    let line = r#"{"name":"a.ns","case":"","value":1.5,"unit":"ns"}"#;
    let figures = shell(&format!("echo talk >&2; echo '{line}'")).unwrap();
    assert_eq!(figures.len(), 1);
}

#[test]
fn a_program_that_fails_is_told_with_the_end_of_its_log() {
    let line = r#"{"name":"a.ns","case":"","value":1.5,"unit":"ns"}"#;
    let error = shell(&format!("echo '{line}'; echo 'it broke' >&2; exit 3")).unwrap_err();
    let text = format!("{error:#}");
    assert!(
        text.contains("exit status: 3") && text.ends_with("it broke"),
        "{text}"
    );
}

#[test]
fn what_is_written_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let files = Files::below(folder.path());
    fs::create_dir_all(&files.folder).unwrap();
    let rows = join(
        figures(r#"{"name":"set.miss_ns","case":"1M","value":71,"unit":"ns","peer":140}"#).unwrap(),
    );
    let machine = Machine::look();
    files.write(&machine, &rows).unwrap();
    assert_eq!(files.read().unwrap(), (machine, rows));
}
