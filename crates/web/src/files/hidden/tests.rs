//! What is served, and what is not.

use super::*;

#[test]
fn code_secrets_and_tools_are_hidden_wherever_they_lie() {
    for path in [
        "/.env",
        "/.git/config",
        "/a/.hidden/b.css",
        "/.davy/run/x",
        "/.well-known",
        "/.well-known/.env",
        "/app.py",
        "/APP.PY",
        "/a/b.php",
        "/config.ru",
        "/db.sqlite3",
        "/dump.sql",
        "/server.key",
        "/cert.pem",
        "/davy.toml",
        "/pyproject.toml",
        "/requirements.txt",
        "/requirements-dev.txt",
        "/Pipfile",
        "/Pipfile.lock",
        "/poetry.lock",
        "/uv.lock",
        "/composer.json",
        "/composer.lock",
        "/Gemfile",
        "/Gemfile.lock",
        "/package.json",
        "/package-lock.json",
        "/Procfile",
        "/Makefile",
        "/Dockerfile",
        "/Dockerfile.dev",
        "/docker-compose.yml",
        "/wp-config.php.bak",
        "/app.py~",
        "/prod.env",
        "/__pycache__/app.cpython-311.pyc",
        "/app.py/index.html",
        "/debug.log",
    ] {
        assert!(is_hidden(path.as_bytes()), "{path}");
    }
}

#[test]
fn the_files_of_a_site_are_not_hidden() {
    for path in [
        "/",
        "/index.html",
        "/a.b/style.min.css",
        "/app.js",
        "/data.json",
        "/robots.txt",
        "/python",
        "/.well-known/security.txt",
        "/.well-known/acme-challenge/token",
        "/manifest.webmanifest",
        "/a/requirements.html",
        "/my-package.zip",
        "/install.sh",
        "/font.woff2",
    ] {
        assert!(!is_hidden(path.as_bytes()), "{path}");
    }
}
