//! Folders as PHP applications have them.

use std::collections::BTreeMap;

use super::*;
use crate::detect::{Asked, detect};

struct Files(BTreeMap<&'static str, &'static str>);

impl Folder for Files {
    fn folders(&self) -> Vec<String> {
        Vec::new()
    }

    fn text(&self, path: &str) -> Option<String> {
        self.0.get(path).map(|&text| text.to_owned())
    }
}

fn look(asked: Asked<'_>, files: &[(&'static str, &'static str)]) -> String {
    let found = detect(&Files(files.iter().copied().collect()), asked);
    let found = found.unwrap_or_else(|error| panic!("{error}"));
    let Kind::Php(php) = &found.kind else { return found.kind.name().to_owned() };
    let database = php.database.as_deref().unwrap_or("-");
    format!(
        "{} ({}) root {} db {database}: {}",
        php.framework.name(),
        found.file,
        php.root,
        found.reason
    )
}

fn found(files: &[(&'static str, &'static str)]) -> String {
    look(Asked::default(), files)
}

#[test]
fn frameworks_are_known_by_their_files_and_have_their_roots() {
    assert_eq!(
        found(&[("wp-includes/version.php", ""), ("wp-config-sample.php", ""), ("index.php", "")]),
        "WordPress (wp-config-sample.php) root . db WordPress: \
         there are wp-config-sample.php and wp-includes"
    );
    let laravel =
        [("artisan", ""), ("public/index.php", ""), (".env", "A=1\nDB_CONNECTION=mysql\n")];
    assert_eq!(
        found(&laravel),
        "Laravel (artisan) root public db Laravel's mysql: \
         there are artisan and public/index.php"
    );
    let sqlite =
        [("artisan", ""), ("public/index.php", ""), (".env.example", "DB_CONNECTION=sqlite")];
    assert!(found(&sqlite).contains("db -"), "{}", found(&sqlite));
    let elsewhere = "DB_CONNECTION=mysql\nDB_HOST=db.example.org\n";
    let elsewhere = [("artisan", ""), ("public/index.php", ""), (".env", elsewhere)];
    assert!(found(&elsewhere).contains("db -"), "it has one: {}", found(&elsewhere));
    let symfony = [
        ("bin/console", ""),
        ("public/index.php", ""),
        ("composer.json", r#"{"require": {"doctrine/orm": "^3"}}"#),
    ];
    assert_eq!(
        found(&symfony),
        "Symfony (bin/console) root public db doctrine/orm: there are bin/console and public/index.php"
    );
}

#[test]
fn plain_php_is_known_by_its_index() {
    assert_eq!(
        found(&[("index.php", "<?php new mysqli();"), ("index.html", "")]),
        "PHP (index.php) root . db mysqli: there is index.php"
    );
    assert_eq!(
        found(&[("index.php", ""), ("public/index.php", "")]),
        "PHP (public/index.php) root public db -: there is public/index.php"
    );
    let asked = Asked { root: Some("htdocs"), ..Asked::default() };
    assert!(look(asked, &[("htdocs/index.php", "")]).contains("root htdocs"));
}

#[test]
fn what_is_asked_for_is_looked_for() {
    let asked = |app| Asked { app: Some(app), ..Asked::default() };
    let php = look(asked("php"), &[("start.php", "")]);
    assert_eq!(php, "PHP (.) root . db -: davy.toml says app = \"php\"");
    let error = detect(&Files(BTreeMap::new()), asked("laravel")).unwrap_err().to_string();
    assert!(error.contains("artisan and public/index.php"), "{error}");
}

#[test]
fn an_index_of_html_alone_is_no_php() {
    assert_eq!(found(&[("index.html", "")]), "static files");
}
