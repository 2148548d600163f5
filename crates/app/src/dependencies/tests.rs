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
