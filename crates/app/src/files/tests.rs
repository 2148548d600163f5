//! Folders as projects have them, and a Django of a few lines.

use std::fs;

use super::*;

fn found(kind: Kind, file: &str) -> Found {
    Found { kind, callable: None, file: file.to_owned(), reason: String::new() }
}

fn project(files: &[&str]) -> tempfile::TempDir {
    let project = tempfile::tempdir().unwrap();
    for file in files {
        let path = project.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    project
}

fn shown(project: &Path, found: &Found, root: Option<&str>) -> Vec<(String, String)> {
    let mounts = mounts(project, found, root.map(Path::new));
    let relative = |folder: &Path| folder.strip_prefix(project).unwrap().display().to_string();
    mounts.iter().map(|mount| (mount.prefix.clone(), relative(&mount.folder))).collect()
}

fn pair(prefix: &str, folder: &str) -> (String, String) {
    (prefix.to_owned(), folder.to_owned())
}

#[test]
fn flask_shows_its_static_folder_and_public() {
    let folder = project(&["app.py", "static/a.css", "public/robots.txt"]);
    let seen = shown(folder.path(), &found(Kind::Python(Python::Flask), "app.py"), None);
    assert_eq!(seen, [pair("/static/", "static"), pair("/", "public")]);
}

#[test]
fn static_folder_of_a_package_lies_beside_its_module() {
    let folder = project(&["flaskr/__init__.py", "flaskr/static/a.css", "static/b.css"]);
    let seen =
        shown(folder.path(), &found(Kind::Python(Python::Flask), "flaskr/__init__.py"), None);
    assert_eq!(seen, [pair("/static/", "flaskr/static")]);
}

#[test]
fn files_alone_are_shown_from_where_their_index_lies() {
    let folder = project(&["public/index.html"]);
    let at = |file| shown(folder.path(), &found(Kind::Static, file), None);
    assert_eq!(at("public/index.html"), [pair("/", "public")]);
    assert_eq!(at("index.html"), [pair("/", "")]);
}

#[test]
fn root_of_the_settings_replaces_public() {
    let folder = project(&["public/a", "dist/a"]);
    let seen = shown(folder.path(), &found(Kind::Python(Python::Wsgi), "wsgi.py"), Some("dist"));
    assert_eq!(seen, [pair("/", "dist")]);
    assert!(
        shown(folder.path(), &found(Kind::Python(Python::Wsgi), "wsgi.py"), Some("gone"))
            .is_empty()
    );
}

#[test]
fn static_url_is_a_prefix_unless_it_leads_elsewhere() {
    assert_eq!(prefix("/static/").as_deref(), Some("/static/"));
    assert_eq!(prefix("assets/v1").as_deref(), Some("/assets/v1/"));
    assert_eq!(prefix("/").as_deref(), Some("/"));
    for elsewhere in ["https://cdn.example.org/s/", "//cdn.example.org/", "/a?b", "/a//b/"] {
        assert_eq!(prefix(elsewhere), None, "{elsewhere}");
    }
}

/// Enough of Django for the probe: a module `django.conf` and a manage.py that writes what it was
/// told. The real one is tested end to end.
fn small_django(settings: &str) -> tempfile::TempDir {
    let folder = project(&["django/__init__.py", "site_settings.py"]);
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write(
        "django/conf.py",
        "import os, importlib\nprint('noise')\n\
         settings = importlib.import_module(os.environ['DJANGO_SETTINGS_MODULE'])\n",
    );
    write("site_settings.py", settings);
    write("manage.py", "import sys\nprint('collected with', *sys.argv[1:])\n");
    folder
}

async fn collected(
    settings: &str,
    each: Progress<'_>,
) -> (tempfile::TempDir, Result<Option<Mount>, Error>) {
    let project = small_django(settings);
    let env = [("STATIC".to_owned(), "collected".to_owned())];
    let django = Django {
        own: &Own::direct(),
        python: Path::new("python3"),
        project: project.path(),
        settings: "site_settings",
        env: &env,
    };
    let mount = collect(django, each).await;
    (project, mount)
}

#[tokio::test]
async fn static_files_of_django_are_collected_and_mounted() {
    let lines = Mutex::new(Vec::new());
    let settings = "import os\nSTATIC_ROOT = os.environ['STATIC']\nSTATIC_URL = 'static/'\n\
                    INSTALLED_APPS = ['django.contrib.staticfiles']\n";
    let (project, mount) =
        collected(settings, &|line| lines.lock().unwrap().push(line.to_owned())).await;
    let mount = mount.unwrap().unwrap();
    assert_eq!(mount.prefix, "/static/");
    assert_eq!(mount.folder, project.path().canonicalize().unwrap().join("collected"));
    assert_eq!(*lines.lock().unwrap(), ["collected with collectstatic --noinput"]);
}

#[tokio::test]
async fn without_static_root_nothing_is_collected() {
    let settings = "STATIC_ROOT = None\nSTATIC_URL = 'static/'\nINSTALLED_APPS = []\n";
    assert_eq!(collected(settings, &|_| ()).await.1.unwrap(), None);
}

#[tokio::test]
async fn settings_that_fail_show_their_traceback() {
    let error = collected("raise KeyError('SECRET')\n", &|_| ()).await.1.unwrap_err().to_string();
    assert!(error.contains("reading Django's settings failed (exit code 1)"), "{error}");
    assert!(error.contains("KeyError: 'SECRET'"), "{error}");
}
