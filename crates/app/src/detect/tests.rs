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
fn a_command_is_what_davy_toml_the_procfile_or_package_json_says() {
    let package = ("package.json", r#"{"scripts": {"start": "node app.js"}, "engines": {}}"#);
    let line = |found: Found| match found.kind {
        Kind::Command(command) => (command.name, command.line, found.reason),
        kind => panic!("{kind:?}"),
    };
    let (name, command, reason) = line(detected([package, ("index.html", "")]).unwrap());
    assert_eq!((name, &command[..]), ("Node", "node app.js"));
    assert_eq!(reason, "package.json has the start script `node app.js`");
    let procfile = ("Procfile", "# x\nweb: ./server --port $PORT\nworker: ./work\n");
    let (name, command, reason) = line(detected([package, procfile]).unwrap());
    assert_eq!((name, &command[..]), ("Procfile", "./server --port $PORT"));
    assert!(reason.contains("worker not run"), "{reason}");
    let asked = Asked { command: Some("./x"), ..Asked::default() };
    let everything = Project([package, procfile, ("app.py", "app = 1\n")].into());
    assert_eq!(line(detect(&everything, asked).unwrap()).1, "./x");
    assert_eq!(line(detect(&everything, Asked { app: Some("node"), ..asked }).unwrap()).1, "./x");
    let node = Asked { app: Some("node"), ..Asked::default() };
    assert_eq!(line(detect(&everything, node).unwrap()).1, "node app.js");
    let bare = [("package.json", "{}"), ("server.js", "")];
    assert_eq!(line(detected(bare).unwrap()).1, "node server.js");
}

#[test]
fn a_package_json_for_assets_or_beside_a_framework_is_no_node_site() {
    let assets = ("package.json", r#"{"scripts": {"build": "vite build"}}"#);
    assert_eq!(detected([assets, ("index.html", "")]).unwrap().kind, Kind::Static);
    let started = ("package.json", r#"{"scripts": {"start": "vite"}}"#);
    let procfile = ("Procfile", "web: gunicorn wsgi\n");
    let found = detected([started, procfile, ("wsgi.py", "application = 1\n")]).unwrap();
    assert_eq!(found.kind, Kind::Python(Python::Wsgi));
    assert!(detected([("package.json", "nonsense")]).is_err());
}

#[test]
fn a_url_is_a_proxy() {
    let url = "http://127.0.0.1:3000";
    let asked = Asked { app: Some(url), ..Asked::default() };
    assert_eq!(detect(&Project([].into()), asked).unwrap().kind, Kind::Proxy(url.into()));
}

#[test]
fn nothing_found_names_what_was_looked_for_and_what_to_write() {
    let error = detected([]).unwrap_err().to_string();
    for part in [
        "manage.py",
        "app.py",
        "Procfile",
        "package.json",
        "index.html",
        "app = \"module:callable\"",
    ] {
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
