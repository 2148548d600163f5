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

const FASTAPI: &str = "from fastapi import FastAPI\n\napp = FastAPI()\n";

fn asked(files: &[(&'static str, &'static str)], app: &str) -> Result<Found, Error> {
    let project = Project(files.iter().copied().collect());
    detect(&project, Asked { app: Some(app), ..Asked::default() })
}

#[test]
fn fastapi_is_known_where_its_manual_puts_it() {
    for (file, name) in [
        ("main.py", "main:app"),
        ("app.py", "app:app"),
        ("asgi.py", "asgi:app"),
        ("app/main.py", "app.main:app"),
        ("shop/__init__.py", "shop:app"),
    ] {
        assert_eq!(
            callable([(file, FASTAPI), ("requirements.txt", "")]),
            (Kind::Python(Python::FastApi), name.to_owned())
        );
    }
    let found = detected([("main.py", FASTAPI)]).unwrap();
    assert_eq!(found.reason, "main.py imports fastapi and has `app = FastAPI(`");
    assert_eq!(found.text(&[]), "FastAPI (main.py)");
}

#[test]
fn asgi_applications_of_other_names_and_shapes_are_found() {
    for (file, source, kind, name) in [
        (
            "main.py",
            "from starlette.applications import Starlette\nsite = Starlette(routes=[])\n",
            Python::Starlette,
            "main:site",
        ),
        (
            "main.py",
            "import fastapi\nfrom starlette.responses import Response\n\
             async def create_app():\n    pass\n",
            Python::FastApi,
            "main:create_app()",
        ),
        ("app.py", "from quart import Quart\napp = Quart(__name__)\n", Python::Asgi, "app:app"),
        ("app.py", "async def app(scope, receive, send):\n    pass\n", Python::Asgi, "app:app"),
        ("asgi.py", "from x import application\n", Python::Asgi, "asgi:application"),
    ] {
        assert_eq!(callable([(file, source)]), (Kind::Python(kind), name.to_owned()), "{source}");
    }
    // One that only has routes for another is no application.
    let routes = ("api.py", "from fastapi import APIRouter\nrouter = APIRouter()\n");
    assert!(matches!(detected([routes]), Err(Error::NotFound { .. })));
}

#[test]
fn django_stays_wsgi_until_asgi_is_asked_for() {
    let files = [
        ("manage.py", MANAGE),
        ("mysite/wsgi.py", DJANGO_WSGI),
        ("mysite/asgi.py", "application = get_asgi_application()\n"),
    ];
    let settings = "mysite.settings".to_owned();
    let kind = Kind::Python(Python::Django { settings });
    assert_eq!(callable(files), (kind.clone(), "mysite.wsgi:application".to_owned()));
    for (app, callable) in [
        ("asgi", "mysite.asgi:application"),
        ("mysite.asgi:application", "mysite.asgi:application"),
        ("django", "mysite.wsgi:application"),
    ] {
        let found = asked(&files, app).unwrap();
        assert_eq!((&found.kind, found.callable.as_deref()), (&kind, Some(callable)), "{app}");
    }
    let error = asked(&files[..2], "asgi").unwrap_err().to_string();
    assert!(error.contains("no asgi.py with an `application`"), "{error}");
}

#[test]
fn kinds_that_are_asked_for_are_the_only_ones_looked_for() {
    let files = [("main.py", FASTAPI), ("app.py", "from flask import Flask\napp = Flask('x')\n")];
    assert_eq!(asked(&files, "fastapi").unwrap().callable.as_deref(), Some("main:app"));
    assert_eq!(asked(&files, "asgi").unwrap().kind, Kind::Python(Python::FastApi));
    assert_eq!(asked(&files, "flask").unwrap().kind, Kind::Python(Python::Flask));
    assert_eq!(asked(&files, "main:other").unwrap().kind, Kind::Python(Python::FastApi));
    for (app, text) in [("starlette", "Starlette("), ("wsgi", "wsgi.py"), ("asgi", "asgi.py")] {
        let error = asked(&[("index.html", "")], app).unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
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
