//! Projects in a few lines each, and what is seen in them.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

pub(super) struct Project(pub(super) BTreeMap<&'static str, &'static str>);

impl Folder for Project {
    fn folders(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.0.keys().filter_map(|path| Some(path.split_once('/')?.0.to_owned())).collect();
        names.dedup();
        names
    }
    fn text(&self, path: &str) -> Option<String> {
        self.0.get(path).map(|text| (*text).to_owned())
    }
}

pub(super) fn detected<const N: usize>(
    files: [(&'static str, &'static str); N],
) -> Result<Found, Error> {
    detect(&Project(files.into()), Asked::default())
}

pub(super) fn callable<const N: usize>(files: [(&'static str, &'static str); N]) -> (Kind, String) {
    let found = detected(files).unwrap();
    (found.kind, found.callable.unwrap())
}

#[test]
fn static_files_come_last() {
    let found = detected([("index.html", ""), ("public/index.html", "")]).unwrap();
    assert_eq!((found.kind, found.file.as_str()), (Kind::Static, "public/index.html"));
    let both = [("index.html", ""), ("wsgi.py", "app = 1\n")];
    assert_eq!(detected(both).unwrap().kind, Kind::Python(Python::Wsgi));
    let asked = Asked { root: Some("dist"), ..Asked::default() };
    assert_eq!(detect(&Project([].into()), asked).unwrap().kind, Kind::Static);
}

#[test]
fn nothing_found_names_what_was_looked_for_and_what_to_write() {
    let error = detected([]).unwrap_err().to_string();
    for part in ["manage.py", "app.py", "index.html", "app = \"module:callable\""] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn disk_hides_what_is_no_small_file() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("app.py")).unwrap();
    fs::create_dir(folder.path().join(".davy")).unwrap();
    fs::write(folder.path().join("big.py"), vec![b'#'; 1024 * 1024 + 1]).unwrap();
    fs::write(folder.path().join("wsgi.py"), "app = '\u{e9}'").unwrap();
    let disk = Disk(folder.path());
    assert_eq!(disk.folders(), ["app.py"]);
    assert_eq!((disk.text("app.py"), disk.text("big.py")), (None, None));
    assert!(disk.text("wsgi.py").is_some());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_source_text_panics(
        text in "[ -~\n\"'\\\\#é=:()]{0,200}\
                 |(from |import |def |app|=|Flask\\(|\"\"\"|'''|\n| ){0,60}"
    ) {
        fuzz(text.as_bytes());
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        crate::fuzz::detect(&bytes);
    }
}
