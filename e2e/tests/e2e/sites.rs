//! Small sites that several tests use.

use davy_e2e::Project;

/// A WSGI application with a database and nothing to install: everything davy runs, soon.
///
/// `/` says hello; `/wait` answers when there is a file `go` in the project.
pub(crate) fn small() -> Project {
    let files = [("wsgi.py", APP), ("davy.toml", "workers = 2\n[db]\nengine = \"mariadb\"\n")];
    Project::of("small", &files)
}

const APP: &str = r#"
import os, time

def application(environ, start_response):
    while environ["PATH_INFO"] == "/wait" and not os.path.exists("go"):
        time.sleep(0.01)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]
"#;
