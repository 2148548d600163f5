//! The page docs/config.md is what [`config::reference`] makes, and its examples are true.

#![allow(clippy::unwrap_used)]

use std::fs;

use davy_config as config;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/config.md");

#[test]
fn the_page_is_the_one_made_of_the_doc_comments() {
    if std::env::var_os("UPDATE").is_some() {
        fs::write(PAGE, config::reference()).unwrap();
    }
    let page = fs::read_to_string(PAGE).unwrap_or_default();
    assert!(
        page == config::reference(),
        "docs/config.md is old: UPDATE=1 cargo test -p davy-config"
    );
}

#[test]
fn every_example_on_the_page_is_a_davy_toml_without_problems() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("public")).unwrap();
    let page = config::reference();
    let examples: Vec<&str> =
        page.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(examples.len() > 8, "{examples:?}");
    for example in examples {
        // Aliases and addresses are nothing without a domain, which their examples leave out.
        let bare = example.starts_with("a") && !example.starts_with("app");
        let text = if bare { format!("domain = \"x.org\"\n{example}") } else { example.to_owned() };
        if let Err(report) = config::check("davy.toml", &text, folder.path()) {
            panic!("{report}");
        }
    }
}

#[test]
fn every_name_has_a_meaning_a_default_and_an_example() {
    let schema = config::schema();
    let top = schema["properties"].as_object().unwrap();
    let inner = ["limits", "db"].map(|table| top[table]["properties"].as_object().unwrap());
    for (name, kind) in top.iter().chain(inner.into_iter().flatten()) {
        let text = kind["description"].as_str().unwrap();
        assert!(text.contains("Default: "), "{name}: {text}");
        assert!(!kind["examples"][0].is_null(), "{name}");
    }
    let names: Vec<&str> = top.keys().map(String::as_str).collect();
    let in_order = [
        "domain",
        "aliases",
        "address",
        "app",
        "command",
        "root",
        "workers",
        "workers_max",
        "threads",
        "env",
        "jobs",
        "cron",
        "limits",
        "db",
    ];
    assert_eq!(names, in_order, "names stand in the order of the file");
}

#[test]
fn the_schema_knows_no_null_and_allows_no_other_names() {
    let schema = config::schema();
    assert_eq!(schema["additionalProperties"], false);
    assert!(!schema.to_string().contains("null"), "{schema:#}");
}

/// The names that are found for what somebody typed.
fn meant(typed: &str) -> Result<Vec<String>, String> {
    config::names_meant(typed).map(|names| names.iter().map(config::Name::dotted).collect())
}

#[test]
fn names_are_found_as_people_write_them() {
    assert_eq!(meant("workers").unwrap(), ["workers"]);
    for typed in ["db.engine", "engine", "[db].engine", "DB.Engine"] {
        assert_eq!(meant(typed).unwrap(), ["db.engine"], "{typed}");
    }
    let db = meant("[db]").unwrap();
    assert_eq!(db[0], "db");
    assert!(db.len() > 2 && db[1..].iter().all(|name| name.starts_with("db.")), "{db:?}");
}

#[test]
fn unknown_names_lead_to_the_nearest() {
    for (typed, help) in [
        ("worker", "did you mean `workers`?"),
        ("hostname", "did you mean `domain`?"),
        ("db.engin", "did you mean `engine`?"),
        ("tls", "does not act on it yet"),
        ("zzz", "the names are `domain`, "),
    ] {
        let found = meant(typed).unwrap_err();
        assert!(found.contains(help), "{typed}: {found}");
    }
}
