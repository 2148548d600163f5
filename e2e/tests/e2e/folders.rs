//! The many kinds of folders that davy runs, with a file of settings or without.

use davy_e2e::{Project, curl};

/// Answers with the variables it is asked for: `/NAME` gives NAME's value.
const ENVIRONMENT: &str = r#"
import os

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return [os.environ.get(environ["PATH_INFO"][1:], "(none)").encode()]
"#;

#[test]
fn a_folder_of_pages_is_served_without_workers_or_settings() {
    let page = "<!doctype html><p>Grüße";
    let files = [("index.html", page), ("sub/index.html", "below"), (".secret", "no")];
    let project = Project::of("pages", &files);
    let davy = project.up();
    assert!(davy.ready().contains("files only"), "{}", davy.ready());
    davy.says("found    static files (index.html)");
    let answer = curl(&davy.url("/"));
    assert_eq!((answer.status, answer.text()), (200, page.to_owned()));
    assert!(answer.header("content-type").unwrap().starts_with("text/html"), "{}", answer.head);
    assert_eq!(curl(&davy.url("/sub/")).text(), "below");
    for hidden in ["/.secret", "/.davy/lock", "/.davy/log/edge.log", "/nothing"] {
        assert_eq!(curl(&davy.url(hidden)).status, 404, "{hidden}");
    }
    assert!(!davy.output().contains("\ndb  "), "{}", davy.output());
    davy.stop();
}

#[test]
fn a_folder_with_a_wsgi_module_runs_without_settings() {
    let project = Project::of("plain", &[("wsgi.py", ENVIRONMENT)]);
    let davy = project.up();
    davy.says("found    WSGI (wsgi.py)");
    davy.says("db       none: no MySQL driver is among the dependencies");
    assert_eq!(curl(&davy.url("/DATABASE_URL")).text(), "(none)");
    assert_eq!(curl(&davy.url("/PYTHONUNBUFFERED")).text(), "1");
    for code in ["/wsgi.py", "/.davy/lock"] {
        assert_eq!(curl(&davy.url(code)).text(), "(none)", "the application answers {code}");
    }
    davy.stop();
}

#[test]
fn variables_come_from_dotenv_and_from_settings_which_win() {
    let files = [
        ("wsgi.py", ENVIRONMENT),
        (".env", "ONLY_FILE=\"with spaces\"\nBOTH=file\nPRICE='5 $'\n"),
        ("davy.toml", "[env]\nBOTH = \"settings\"\nONLY_SETTINGS = \"Köln\"\n"),
    ];
    let project = Project::of("variables", &files);
    let davy = project.up();
    for (name, value) in [
        ("ONLY_FILE", "with spaces"),
        ("BOTH", "settings"),
        ("ONLY_SETTINGS", "Köln"),
        ("PRICE", "5 $"),
    ] {
        assert_eq!(curl(&davy.url(&format!("/{name}"))).text(), value, "{name}");
    }
    davy.stop();
}

#[test]
fn an_address_in_dotenv_means_no_database_of_davys_own() {
    let url = "mysql://shop:secret@db.example.org/shop";
    let files = [
        ("wsgi.py", ENVIRONMENT),
        ("requirements.txt", "PyMySQL\n"),
        (".env", &format!("DATABASE_URL={url}\n")),
    ];
    let project = Project::of("elsewhere", &files);
    let davy = project.up();
    davy.says("db       a server of your own: DATABASE_URL in .env");
    assert_eq!(curl(&davy.url("/DATABASE_URL")).text(), url);
    assert_eq!(curl(&davy.url("/MYSQL_HOST")).text(), "(none)");
    let running = davy.processes();
    assert!(running.iter().all(|process| !process.command.contains("mariadbd")), "{running:?}");
    assert!(!davy.output().contains("secret"), "passwords are not printed");
    davy.stop();
}

#[test]
fn dependencies_of_a_pyproject_file_are_installed() {
    let app = r#"
from importlib.metadata import version

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [version("itsdangerous").encode()]
"#;
    let settings = "[project]\nname = \"modern\"\nversion = \"1\"\n\
                    dependencies = [\"itsdangerous==2.2.0\"]\n";
    let project = Project::of("modern", &[("wsgi.py", app), ("pyproject.toml", settings)]);
    let davy = project.up();
    assert!(davy.says("found    ").contains("pyproject.toml"), "{}", davy.output());
    davy.says("deps     1 package in .davy/python/venv/");
    assert_eq!(curl(&davy.url("/")).text(), "2.2.0");
    davy.stop();
}

#[test]
fn a_folder_with_nothing_to_run_says_what_was_looked_for() {
    let project = Project::of("empty", &[("notes.txt", "nothing")]);
    let mut davy = project.start();
    davy.ends_badly();
    assert!(davy.output().contains("index.html"), "{}", davy.output());
}

#[test]
fn an_application_that_can_not_be_loaded_shows_its_traceback_and_ends() {
    let project = Project::of("faulty", &[("wsgi.py", "import nowhere\napplication = 1\n")]);
    let mut davy = project.start();
    davy.ends_badly();
    let said = davy.output();
    assert!(said.contains("No module named 'nowhere'"), "{said}");
    assert!(said.contains("did not start"), "{said}");
    let log = project.read(".davy/log/site.log");
    assert!(log.contains("No module named 'nowhere'"), "the last lines are written too: {log}");
    assert!(log.contains("this role can't do its work"), "{log}");
}
