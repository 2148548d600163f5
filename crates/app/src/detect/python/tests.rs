//! Python projects in a few lines each, and what is seen in them.

use super::super::tests::{Project, callable, detected};
use super::super::{Asked, detect};
use super::*;

const MANAGE: &str = "import os\ndef main():\n\
    \x20   os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'mysite.settings')\n";
const DJANGO_WSGI: &str =
    "from django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()\n";

#[test]
fn flask_is_known_by_its_import_and_its_app() {
    let found =
        detected([("app.py", "from flask import Flask\n\napp = Flask(__name__)\n")]).unwrap();
    assert_eq!(found.kind, Kind::Python(Python::Flask));
    assert_eq!(found.callable.as_deref(), Some("app:app"));
    assert_eq!(found.reason, "app.py imports flask and has `app = Flask(`");
    assert_eq!(
        found.text(&["Python 3.11".into(), "requirements.txt".into()]),
        "Flask (app.py), Python 3.11, requirements.txt"
    );
}

#[test]
fn flask_applications_of_other_names_and_shapes_are_found() {
    for (source, name) in [
        ("import flask\nserver: flask.Flask = flask.Flask('x')\n", "server"),
        ("import os, flask\napi = flask.Flask('x')\napp = flask.Flask('y')\n", "app"),
        (
            "from flask import Flask\ndef create_app(config=None):\n    app = Flask('x')\n",
            "create_app()",
        ),
        ("from flask import Flask\ndef create_app():\n    pass\napp = create_app()\n", "app"),
        (
            "try:\n    from flask import Flask\nexcept ImportError:\n    raise\napp = Flask('x')",
            "app",
        ),
    ] {
        assert_eq!(
            callable([("main.py", source)]),
            (Kind::Python(Python::Flask), format!("main:{name}")),
            "{source}"
        );
    }
}

#[test]
fn flask_package_is_found_and_a_wsgi_file_beside_it_is_preferred() {
    let package = ("flaskr/__init__.py", "from flask import Flask\ndef create_app():\n  pass\n");
    assert_eq!(
        callable([package]),
        (Kind::Python(Python::Flask), "flaskr:create_app()".to_owned())
    );
    let entry = ("wsgi.py", "from flaskr import create_app\napp = create_app('production')\n");
    assert_eq!(callable([package, entry]), (Kind::Python(Python::Flask), "wsgi:app".to_owned()));
}

#[test]
fn what_stands_in_strings_comments_or_functions_is_not_seen() {
    for source in [
        "'''\nfrom flask import Flask\napp = Flask(__name__)\n'''\n",
        "#from flask import Flask\n#app = Flask(__name__)\n",
        "from flask import Flask\ndef f():\n    app = Flask(__name__)\n",
        "x = '\\'' # '''\ny = \"\"\" '''\napp = 1\n\"\"\"\nif app == 2: pass\n",
    ] {
        let error = detected([("app.py", source)]).unwrap_err();
        assert!(matches!(error, Error::NotFound { .. }), "{source}");
    }
}

#[test]
fn django_is_known_by_manage_py_and_its_callable_found_beside_the_settings() {
    let settings = Kind::Python(Python::Django { settings: "mysite.settings".to_owned() });
    let found = detected([("manage.py", MANAGE), ("mysite/wsgi.py", DJANGO_WSGI)]).unwrap();
    assert_eq!(found.kind, settings);
    assert_eq!(found.callable.as_deref(), Some("mysite.wsgi:application"));
    assert_eq!(found.text(&[]), "Django (manage.py)");
    let elsewhere = callable([("manage.py", MANAGE), ("server/wsgi.py", DJANGO_WSGI)]);
    assert_eq!(elsewhere, (settings, "server.wsgi:application".to_owned()));
}

#[test]
fn django_settings_in_a_package_lead_to_the_callable_above_them() {
    let manage =
        "os.environ.setdefault(\n  \"DJANGO_SETTINGS_MODULE\",\n  \"a.config.settings.local\")\n";
    let found = callable([("manage.py", manage), ("a/config/wsgi.py", DJANGO_WSGI)]);
    assert_eq!(found.1, "a.config.wsgi:application");
}

#[test]
fn django_without_a_callable_is_an_error_that_says_what_to_write() {
    let error = detected([("manage.py", MANAGE)]).unwrap_err().to_string();
    assert!(
        error.contains("mysite.settings") && error.contains("app = \"module:callable\""),
        "{error}"
    );
}

#[test]
fn any_wsgi_callable_is_found() {
    for (file, source, name) in [
        ("wsgi.py", "def application(environ, start_response):\n    pass\n", "wsgi:application"),
        ("wsgi.py", "from site.make import other, app as application\n", "wsgi:application"),
        ("app.py", "class app:\n    pass\n", "app:app"),
        ("app.py", "import bottle\napp = bottle.default_app()\n", "app:app"),
    ] {
        assert_eq!(
            callable([(file, source)]),
            (Kind::Python(Python::Wsgi), name.to_owned()),
            "{source}"
        );
    }
}

#[test]
fn asgi_frameworks_are_refused_by_name() {
    for file in ["app.py", "main.py"] {
        let source = "from fastapi import FastAPI\napp = FastAPI()\n";
        let error = detected([(file, source)]).unwrap_err();
        assert!(error.to_string().contains(&format!("{file} uses fastapi")), "{error}");
    }
}

#[test]
fn what_the_settings_say_wins() {
    let files = Project(
        [("app.py", "from flask import Flask\napp = Flask('x')\n"), ("index.html", "")].into(),
    );
    let asked = |app| detect(&files, Asked { app: Some(app), ..Asked::default() });
    assert_eq!(asked("static").unwrap().kind, Kind::Static);
    assert_eq!(asked("app:other").unwrap().callable.as_deref(), Some("app:other"));
    assert_eq!(
        asked("app:other").unwrap().kind,
        Kind::Python(Python::Flask),
        "the file still imports flask"
    );
    assert_eq!(asked("a.b:make.app()").unwrap().kind, Kind::Python(Python::Wsgi));
    assert!(matches!(asked("django"), Err(Error::NotFound { .. })));
    for wrong in ["fluske", "a:", ":b", "a-b:c", "a:b c", "a:b()()"] {
        assert!(matches!(asked(wrong), Err(Error::App(_))), "{wrong}");
    }
}
