//! Files that can't be read, and which of the two files wins.

use std::fs;
use std::path::Path;

use super::{load, load_with_origins};
use crate::{Config, Kind};

/// A folder with these files.
fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        fs::write(folder.path().join(name), content).unwrap();
    }
    folder
}

/// The messages of the report, without their help.
fn messages(folder: &Path) -> Vec<String> {
    load(folder).unwrap_err().problems.into_iter().map(|problem| problem.message).collect()
}

#[test]
fn an_empty_folder_is_a_site_with_all_defaults() {
    assert_eq!(load(folder(&[]).path()), Ok(Config::default()));
    assert_eq!(load(folder(&[("davy.toml", b""), (".env", b"")]).path()), Ok(Config::default()));
}

#[test]
fn a_missing_folder_is_said() {
    let folder = folder(&[]);
    let missing = folder.path().join("nowhere");
    assert_eq!(messages(&missing), [format!("there is no folder `{}`", missing.display())]);
}

#[test]
fn a_file_of_a_mebibyte_is_read_and_a_larger_one_is_not() {
    let most = vec![b'\n'; 1 << 20];
    assert!(load(folder(&[("davy.toml", &most), (".env", &most)]).path()).is_ok());
    let more = vec![b'\n'; (1 << 20) + 1];
    let said = messages(folder(&[("davy.toml", &more), (".env", &more)]).path());
    assert_eq!(said, ["this file is larger than 1 MiB"; 2]);
}

#[test]
fn text_in_another_encoding_is_said_with_its_line() {
    let latin = folder(&[("davy.toml", b"# a\n# b\xfcro\n")]);
    let said = messages(latin.path());
    assert_eq!(said, ["this file is not UTF-8 text: the first bad byte is in line 2"]);
    let utf16 = folder(&[(".env", b"\xff\xfeA\0=\x001\0")]);
    assert_eq!(messages(utf16.path()), ["this file is written in UTF-16, not in UTF-8"]);
}

#[test]
fn byte_order_marks_are_skipped_in_both_files() {
    let marked = folder(&[
        ("davy.toml", "\u{feff}workers = 2".as_bytes()),
        (".env", "\u{feff}A=1".as_bytes()),
    ]);
    let config = load(marked.path()).unwrap();
    assert_eq!((config.workers, config.env["A"].as_str()), (Some(2), "1"));
}

#[test]
fn folders_and_pipes_are_not_waited_for() {
    let folder = folder(&[]);
    fs::create_dir(folder.path().join("davy.toml")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", folder.path().join(".env")).unwrap();
    assert_eq!(messages(folder.path()), ["this is not a file"; 2]);
}

#[test]
fn problems_of_both_files_come_together_and_name_the_folder() {
    let folder = folder(&[("davy.toml", b"workers = 513"), (".env", b"nonsense")]);
    let report = load(folder.path()).unwrap_err();
    let files: Vec<&str> = report.problems.iter().map(|problem| problem.file.as_str()).collect();
    let name = |file| folder.path().join(file).display().to_string();
    assert_eq!(files, [name("davy.toml"), name(".env")]);
    assert_eq!(super::name_in(Path::new("."), "davy.toml"), "davy.toml");
    assert_eq!(super::name_in(Path::new("./shop"), "davy.toml"), "shop/davy.toml");
}

#[test]
fn every_value_knows_the_line_it_was_written_in() {
    let folder = folder(&[
        ("davy.toml", b"# a site\nworkers = 2\n\n[env]\nTZ = \"UTC\"\n\n[db]\nengine = \"none\"\n"),
        (".env", b"TOKEN=a\nKEY='1\n2'\nexport TZ=CET\nTOKEN=b\n"),
    ]);
    let (config, origins) = load_with_origins(folder.path()).unwrap();
    assert_eq!(config.env["TZ"], "UTC");
    let place = |name: &str| origins.of(name).map(|origin| (origin.kind, origin.line));
    assert_eq!(place("workers"), Some((Kind::Toml, 2)));
    assert_eq!(place("env.TZ"), Some((Kind::Toml, 5)), "[env] wins");
    assert_eq!(place("env.TOKEN"), Some((Kind::DotEnv, 5)), "the later one counts");
    assert_eq!(place("env.KEY"), Some((Kind::DotEnv, 2)));
    assert_eq!(place("db"), Some((Kind::Toml, 7)));
    assert_eq!(place("db.engine"), Some((Kind::Toml, 8)));
    assert_eq!(place("db.url"), None);
    let shown = origins.of("workers").unwrap().to_string();
    assert_eq!(shown, format!("{}:2", folder.path().join("davy.toml").display()));
}
