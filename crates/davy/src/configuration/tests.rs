//! What is shown of a configuration, and what never is.

use std::fs;

use super::*;

/// What is shown for these files, without the folder's own path.
fn shown(files: &[(&str, &str)]) -> (String, Value) {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("shop");
    fs::create_dir(&folder).unwrap();
    for (name, text) in files {
        fs::create_dir_all(folder.join(name).parent().unwrap()).unwrap();
        fs::write(folder.join(name), text).unwrap();
    }
    let place = Place::of(&folder, &Surroundings::default()).unwrap();
    let (config, origins) = config::load_with_origins(&folder).unwrap();
    let filled = Filled { workers: 3, ..Filled::in_folder(&place, &config) };
    let choice = settings::db::choose(&config, None, filled.driver.as_deref());
    let settings = settings(&config, &origins, &filled);
    let toml = as_toml(&settings, &choice).replace(&format!("{}/", folder.display()), "");
    (toml, serde_json::from_str(&as_json(&settings, &choice)).unwrap())
}

#[test]
fn defaults_are_filled_in_from_the_folder() {
    let app = "from flask import Flask\napp = Flask(__name__)\n";
    let files = [("app.py", app), ("requirements.txt", "flask\nPyMySQL\n"), ("public/a.css", "")];
    let (toml, _) = shown(&files);
    let expected = "\
domain      = \"shop.localhost\"  # default: NAME.localhost, after the folder's name
aliases     = []                # default
address     = [\"127.0.0.1\"]     # default: 127.0.0.1, this machine
app         = \"app:app\"         # default: Flask, found in app.py
# command is not set            # default
root        = \"public\"          # default: public, if there is such a folder
workers     = 3                 # default: one for each CPU, 16 at most
# workers_max is not set        # default
threads     = 1                 # default

[limits]
request  = \"60s\"     # default
waiting  = 1000      # default
wait     = \"30s\"     # default
requests = 0         # default
# age is not set     # default
# memory is not set  # default
idle     = \"5m\"      # default

[db]
engine = \"auto\"   # default
";
    assert!(toml.starts_with(expected), "{toml}");
    assert!(toml.contains("\n# url is not set  # default\n"), "{toml}");
    let why = "\n\n# database: davy's own: PyMySQL is among the dependencies\n";
    assert!(toml.ends_with(why), "{toml}");
}

const WRITTEN: [(&str, &str); 3] = [
    ("index.html", "hello"),
    (
        "davy.toml",
        "domain = \"WWW.foobar.com\"\nworkers = 4\n[env]\nTZ = \"UTC\"\nAPI_KEY = \"hunter2\"\n\
         CACHE = \"redis://me:hunter2@cache/1\"\n[db]\nurl = \"mysql://shop:hunter2@db/shop\"\n",
    ),
    (".env", "# a comment\nDEBUG=hunter2\nTZ=CET\n"),
];

#[test]
fn values_come_with_their_places() {
    let (toml, json) = shown(&WRITTEN);
    for line in [
        "domain      = \"www.foobar.com\"  # davy.toml:1\n",
        "workers     = 4                 # davy.toml:2\n",
        "TZ      = \"UTC\"                   # davy.toml:4\n",
        "app         = \"static\"          # default: static files, found in index.html\n",
    ] {
        assert!(toml.contains(line), "{line}\n{toml}");
    }
    let settings = json["settings"].as_array().unwrap();
    let of = |name: &str| settings.iter().find(|setting| setting["name"] == name).unwrap();
    assert_eq!(of("workers")["value"], 4);
    assert_eq!(of("workers")["line"], 2);
    assert_eq!(of("engine")["file"], Value::Null);
    assert_eq!(of("engine")["table"], "db");
    assert_eq!(json["database"]["is"], "elsewhere");
}

#[test]
fn secrets_are_never_shown() {
    let (toml, json) = shown(&WRITTEN);
    assert!(!toml.contains("hunter2") && !toml.contains("CET"), "{toml}");
    assert!(!json.to_string().contains("hunter2"), "{json:#}");
    assert!(toml.contains("DEBUG   = \"…\"                     # .env:2\n"), "{toml}");
    assert!(toml.contains("API_KEY = \"…\"                     # davy.toml:5\n"), "{toml}");
    assert!(toml.contains("\"redis://me:…@cache/1\""), "{toml}");
    assert!(toml.contains("\"mysql://shop:…@db/shop\""), "{toml}");
}

#[test]
fn passwords_are_found_wherever_urls_have_them() {
    for (url, left) in [
        ("mysql://u:p@h/d", "mysql://u:…@h/d"),
        ("mysql://u:p:q@h", "mysql://u:…@h"),
        ("mysql://u@h/d", "mysql://u@h/d"),
        ("mysql://h/d?user=u&password=p&ssl=1", "mysql://h/d?user=u&password=…&ssl=1"),
        ("https://h/a:b@c", "https://h/a:b@c"),
        ("a plain text", "a plain text"),
    ] {
        assert_eq!(secret::without_password(url), left);
    }
    for name in ["SECRET_KEY", "db_password", "GITHUB_TOKEN", "SENTRY_DSN", "STRIPE_KEY"] {
        assert!(secret::is_name_of_one(name), "{name}");
    }
    for name in ["TZ", "KEYBOARD", "COMPASS", "AUTHOR"] {
        assert!(!secret::is_name_of_one(name), "{name}");
    }
}

#[test]
fn every_name_of_davy_toml_is_shown() {
    let (_, json) = shown(&[("index.html", "")]);
    let shown: Vec<&str> =
        json["settings"].as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap()).collect();
    let tables = ["env", "jobs", "cron", "limits", "db"];
    for name in config::names().iter().filter(|name| !tables.contains(&&*name.name)) {
        assert!(shown.contains(&&*name.name), "{} is not in {shown:?}", name.dotted());
    }
}
