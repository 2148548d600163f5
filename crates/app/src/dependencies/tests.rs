//! Requirements as projects write them, and bytes that are none.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn of<const N: usize>(files: [(&str, &str); N]) -> Result<Dependencies, Error> {
    let files: BTreeMap<PathBuf, String> =
        files.into_iter().map(|(path, text)| (path.into(), text.to_owned())).collect();
    requirements(&|path| {
        files.get(path).cloned().ok_or_else(|| Error::io(path)(io::ErrorKind::NotFound.into()))
    })
}

fn names(text: &str) -> Vec<String> {
    of([("requirements.txt", text)]).unwrap().names().collect()
}

#[test]
fn names_are_read_and_normalised() {
    let text = "# comment\nFlask>=3 # why\nPyMySQL[rsa]==1.1 ; python_version > '3'\n\n\
                zope.interface\nruamel__yaml~=1\nlong == \\\n  1.0 --hash=sha256:aa\r\n\
                at @ https://e.org/x.zip";
    assert_eq!(names(text), ["flask", "pymysql", "zope-interface", "ruamel-yaml", "long", "at"]);
}

#[test]
fn lines_that_name_no_package_are_left_to_pip() {
    let text = "-e .\n--index-url https://example.org\n./local/thing\nhttps://e.org/x.whl\n\
                thing-1.0.whl\ngit+https://e.org/r.git#egg=from_git\n\
                -e git+https://e.org/r.git#egg=edited&subdirectory=x";
    assert_eq!(names(text), ["from-git", "edited"]);
}

#[test]
fn included_files_are_read_once_from_where_they_stand() {
    let dependencies = of([
        ("requirements.txt", "-r requirements/base.txt\n--requirement=requirements/../more.txt\n"),
        ("requirements/base.txt", "Flask\n-r ../requirements.txt\n-c limits.txt"),
        ("requirements/limits.txt", "Werkzeug<3"),
        ("more.txt", "aiomysql"),
    ])
    .unwrap();
    assert_eq!(dependencies.names().collect::<Vec<_>>(), ["aiomysql", "flask"]);
    assert_eq!(dependencies.mysql_driver(), Some("aiomysql"));
}

#[test]
fn missing_include_is_an_error_with_its_path() {
    let error = of([("requirements.txt", "-r gone.txt")]).unwrap_err();
    assert!(error.to_string().starts_with("gone.txt: "), "{error}");
}

#[test]
fn key_changes_with_any_file_that_counts() {
    let with = |limits| {
        of([("requirements.txt", "Flask\n-c limits.txt"), ("limits.txt", limits)]).unwrap().key()
    };
    assert_ne!(with("a<1"), with("a<2"));
    assert_eq!(with("a<1"), with("a<1"));
}

#[test]
fn mysql_driver_is_named_as_written() {
    let driver =
        |text: &str| of([("requirements.txt", text)]).unwrap().mysql_driver().map(str::to_owned);
    assert_eq!(driver("Flask\nPyMySQL>=1"), Some("PyMySQL".to_owned()));
    assert_eq!(driver("MySQL_Connector.Python"), Some("MySQL_Connector.Python".to_owned()));
    assert_eq!(driver("Flask\npsycopg"), None);
}

#[test]
fn empty_files_want_nothing() {
    assert_eq!(of([("requirements.txt", "# nothing yet\n")]).unwrap().file(), None);
    assert_eq!(pyproject("[tool.black]\nx = 1").unwrap().file(), None);
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(Dependencies::read(folder.path()).unwrap().file(), None);
}

#[test]
fn pyproject_gives_the_dependencies_of_the_project() {
    let text = "[project]\nname = \"x\"\ndependencies = [\"Flask>=3\", \"mysqlclient\"]\n";
    let dependencies = pyproject(text).unwrap();
    assert_eq!(dependencies.file(), Some("pyproject.toml"));
    assert_eq!(dependencies.mysql_driver(), Some("mysqlclient"));
    for wrong in ["[project", "[project]\ndependencies = 1", "[project]\ndependencies = [\"-r x\"]"]
    {
        assert!(matches!(pyproject(wrong), Err(Error::Dependencies { .. })), "{wrong}");
    }
}

#[test]
fn requirements_txt_goes_before_pyproject_toml() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("pyproject.toml"), "[project]\ndependencies = [\"a\"]").unwrap();
    assert_eq!(Dependencies::read(folder.path()).unwrap().file(), Some("pyproject.toml"));
    fs::write(folder.path().join("requirements.txt"), "b\n").unwrap();
    assert_eq!(Dependencies::read(folder.path()).unwrap().names().collect::<Vec<_>>(), ["b"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_bytes_panic_or_loop(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        crate::fuzz::dependencies(&bytes);
    }

    #[test]
    fn includes_always_come_to_an_end(text in "(-r [ab./]{1,4}|-c x|a==1|\\\\\n|#|\n| ){0,40}") {
        fuzz(text.as_bytes());
    }

    #[test]
    fn normal_names_stay_as_they_are(name in "[A-Za-z0-9][A-Za-z0-9._-]{0,20}") {
        let once = normalised(&name);
        prop_assert_eq!(normalised(&once), once);
    }
}

/// A project in a folder, and a folder of programs.
fn project<const N: usize>(files: [(&str, &str); N]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn with_program(name: &str) -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let folder = project([(name, "#!/bin/sh\n")]);
    fs::set_permissions(folder.path().join(name), fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

const LISTED: &str = "[project]\nname = 'x'\ndependencies = ['Flask', 'PyMySQL']\n";
const POETRYS: &str = "[tool.poetry.dependencies]\npython = '^3.9'\nFlask = '^3'\naiomysql = '*'\n";

#[test]
fn lock_is_used_where_its_tool_is() {
    for (lock, tool, text) in [("uv.lock", "uv", LISTED), ("poetry.lock", "poetry", POETRYS)] {
        let folder = project([("pyproject.toml", text), (lock, "version = 1\n")]);
        let programs = with_program(tool);
        let read = Dependencies::read(folder.path()).unwrap();
        let (found, note) = read.clone().with_tool(programs.path().as_os_str()).unwrap();
        assert_eq!((found.file(), note), (Some(lock), None));
        assert!(found.mysql_driver().is_some(), "{found:?}");
        assert_ne!(found.key(), read.key(), "what pip installs without the tool is something else");
        fs::write(folder.path().join(lock), "version = 2\n").unwrap();
        assert_ne!(Dependencies::read(folder.path()).unwrap().key(), read.key());
    }
}

#[test]
fn lock_without_its_tool_is_passed_over_and_said() {
    let folder = project([("pyproject.toml", LISTED), ("uv.lock", "version = 1\n")]);
    let read = Dependencies::read(folder.path()).unwrap();
    let (found, note) = read.with_tool("/nowhere".as_ref()).unwrap();
    assert_eq!(found.file(), Some("pyproject.toml"));
    assert_eq!(found.wanted(), &Wanted::Project(vec!["Flask".into(), "PyMySQL".into()]));
    let note = note.unwrap();
    assert!(note.contains("uv.lock is not used: there is no uv on the PATH"), "{note}");
}

#[test]
fn project_that_only_poetry_understands_needs_poetry() {
    let folder = project([("pyproject.toml", POETRYS), ("poetry.lock", "")]);
    let error = Dependencies::read(folder.path()).unwrap().with_tool("/nowhere".as_ref());
    let error = error.unwrap_err().to_string();
    assert!(error.contains("poetry.lock: there is no poetry on the PATH"), "{error}");
    assert!(error.contains("pipx install poetry"), "{error}");
}

#[test]
fn requirements_go_before_a_lock() {
    let folder = project([
        ("requirements.txt", "Flask\n"),
        ("pyproject.toml", LISTED),
        ("uv.lock", "version = 1\n"),
    ]);
    let (found, note) =
        Dependencies::read(folder.path()).unwrap().with_tool("/nowhere".as_ref()).unwrap();
    assert_eq!((found.file(), note), (Some("requirements.txt"), None));
}
