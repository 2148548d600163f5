//! PHP sites in a folder: who answers what.

use std::fs;
use std::os::unix::fs::symlink;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::Mount;
use crate::files;

struct Site {
    top: TempDir,
    mounts: Vec<Mount>,
}

impl Site {
    /// A site with these files; each holds its own name.
    fn new(files: &[&str]) -> Site {
        let top = tempfile::tempdir().unwrap();
        let root = top.path().join("root");
        fs::create_dir(&root).unwrap();
        let folder = Arc::new(fs::File::open(&root).unwrap().into());
        let scripts = Some(Arc::from(Path::new("/srv/root")));
        let site = Site { top, mounts: vec![Mount { prefix: "/".into(), folder, scripts }] };
        files.iter().for_each(|file| site.write(file, file));
        site
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.top.path().join("root").join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// `file SIZE`, `folder`, `NAME`, `NAME + PATH_INFO`, or `nothing`.
    fn get(&self, path: &str) -> String {
        self.ask(path, Wanted::Read)
    }

    fn ask(&self, path: &str, wanted: Wanted) -> String {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match files::find(&self.mounts, path, wanted) {
            Ok(Found::File(file)) => format!("file {}", file.size),
            Ok(Found::Folder) => "folder".into(),
            Ok(Found::Nothing) => "nothing".into(),
            Ok(Found::Script(script)) if script.rest.is_empty() => text(&script.name),
            Ok(Found::Script(script)) => {
                format!("{} + {}", text(&script.name), text(&script.rest))
            }
            Err(failure) => failure.status.as_u16().to_string(),
        }
    }
}

#[test]
fn files_are_served_and_scripts_run() {
    let site =
        Site::new(&["index.php", "a.css", "admin/index.php", "admin/b.php", "doc/index.html"]);
    for (path, answer) in [
        ("/", "/index.php"),
        ("/index.php", "/index.php"),
        ("/index.php/news/today", "/index.php + /news/today"),
        ("/index.php/", "/index.php + /"),
        ("/a.css", "file 5"),
        ("/admin", "folder"),
        ("/admin/", "/admin/index.php"),
        ("/admin/b.php", "/admin/b.php"),
        ("/admin/b.php/x/c.php", "/admin/b.php + /x/c.php"),
        ("/%61dmin/./b.php", "/admin/b.php"),
        ("/doc", "folder"),
        ("/doc/", "file 14"),
        ("/news/today", "/index.php"),
        ("/missing.css", "/index.php"),
        ("/missing.php", "/index.php"),
        ("/admin/missing", "/index.php"),
    ] {
        assert_eq!(site.get(path), answer, "{path}");
    }
}

#[test]
fn without_an_index_at_the_top_there_is_no_front_controller() {
    let site = Site::new(&["a.php", "sub/index.php"]);
    for path in ["/", "/news", "/missing.php", "/sub/news", "//a.php", "/a%2fb"] {
        assert_eq!(site.get(path), "nothing", "{path}");
    }
    assert_eq!(site.get("/a.php"), "/a.php");
}

#[test]
fn other_methods_reach_scripts_and_never_files() {
    let site = Site::new(&["index.php", "a.css", "admin/index.php"]);
    let post = |path| site.ask(path, Wanted::Other);
    assert_eq!(post("/a.css"), "/index.php");
    assert_eq!(post("/admin"), "/admin/index.php", "a redirection would lose what was posted");
    assert_eq!(post("/index.php/x"), "/index.php + /x");
}

#[test]
fn source_text_is_never_served() {
    let names = [
        "a.phtml",
        "a.phar",
        "a.inc",
        "a.php~",
        "a.php.bak",
        "a.php.txt",
        "a.php_old",
        "a.phps",
        "a.PHP",
        "a.php5",
        "a.Php.Swp",
        "wp-config.txt",
        ".env",
        ".user.ini",
        ".htaccess",
        "composer.json",
        "composer.lock",
        "dump.sql",
        ".git/x.php",
        ".x.php",
        "a.bak/x.css",
    ];
    let site = Site::new(&names);
    for name in names {
        assert_eq!(site.get(&format!("/{name}")), "nothing", "{name}");
    }
    let front = Site::new(&["index.php"]);
    front.write("a.php~", "secret");
    assert_eq!(
        front.get("/a.php~"),
        "/index.php",
        "the application says that there is no such page"
    );
}

#[test]
fn nothing_runs_below_folders_of_uploads() {
    let site = Site::new(&[
        "wp-content/uploads/2024/x.php",
        "wp-content/uploads/2024/x.jpg",
        "uploads/index.php",
        "storage/x.php",
        "sites/default/files/x.php",
        "app/Uploads/x.php",
        "app/storage/x.php",
        "upload.php",
        "vendor/phpunit/x.php",
    ]);
    for path in [
        "/wp-content/uploads/2024/x.php",
        "/wp-content/uploads/2024/x.php/y.php",
        "/uploads/",
        "/uploads",
        "/storage/x.php",
        "/sites/default/files/x.php",
        "/app/Uploads/x.php",
        "/vendor/phpunit/x.php",
    ] {
        assert_eq!(site.get(path), "nothing", "{path}");
    }
    assert_eq!(site.get("/wp-content/uploads/2024/x.jpg"), "file 29");
    assert_eq!(site.get("/app/storage/x.php"), "/app/storage/x.php");
    assert_eq!(site.get("/upload.php"), "/upload.php");
}

#[test]
fn folders_that_deny_themselves_are_not_there() {
    let site = Site::new(&["index.php", "data/secret.json", "data/x.php", "data/public/a.css"]);
    assert_eq!(site.get("/data/secret.json"), "file 16");
    site.write("data/.htaccess", "Require all denied\n");
    site.write("data/public/.htaccess", "Require all granted\n");
    for path in ["/data/secret.json", "/data/x.php", "/data/", "/data/sub/missing"] {
        assert_eq!(site.get(path), "/index.php", "{path}");
    }
    assert_eq!(site.get("/data/public/a.css"), "file 17");
    site.write("safe/.htaccess", "php_flag engine off");
    site.write("safe/deep/x.php", "");
    site.write("safe/deep/x.png", "png");
    assert_eq!(site.get("/safe/deep/x.php"), "/index.php");
    assert_eq!(site.get("/safe/deep/x.png"), "file 3");
}

#[test]
fn an_application_in_a_folder_has_its_own_front_controller() {
    let site = Site::new(&["index.php", "blog/index.php"]);
    site.write("blog/.htaccess", "RewriteRule . /blog/index.php [L]");
    assert_eq!(site.get("/blog/news/today"), "/blog/index.php");
    assert_eq!(site.get("/news/today"), "/index.php");
}

#[test]
fn no_path_and_no_link_leads_out_of_the_folder() {
    let site = Site::new(&["index.php", "sub/a.php"]);
    let outside = site.top.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("evil.php"), "").unwrap();
    fs::write(outside.join(".env"), "").unwrap();
    let root = site.top.path().join("root");
    symlink(&outside, root.join("link")).unwrap();
    symlink(outside.join("evil.php"), root.join("evil.php")).unwrap();
    symlink("sub/a.php", root.join("inside.php")).unwrap();
    for path in [
        "/link/evil.php",
        "/evil.php",
        "/link/.env",
        "/../outside/evil.php",
        "/sub/../../outside/evil.php",
        "/%2e%2e/outside/evil.php",
        "/..%2foutside/evil.php",
        "/link/evil.php/x",
    ] {
        assert_eq!(site.get(path), "/index.php", "{path}");
    }
    assert_eq!(site.get("/inside.php"), "/inside.php");
    assert_eq!(site.get("/index.php%00.css"), "400");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn whatever_is_asked_for_only_scripts_that_are_there_run(
        path in "(/|\\.|%2e|%2f|\\.php|\\.\\.|a|sub|uploads|x|%00|\\.env){0,12}",
        other in any::<bool>(),
    ) {
        let site = Site::new(&["a.php", "sub/a.php", "uploads/a.php", ".env"]);
        let wanted = if other { Wanted::Other } else { Wanted::Read };
        let answer = site.ask(&format!("/{path}"), wanted);
        let name = answer.split(" + ").next().unwrap_or_default();
        prop_assert!(["nothing", "400", "/a.php", "/sub/a.php"].contains(&name), "{answer}");
    }
}
