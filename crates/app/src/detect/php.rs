//! PHP applications, told from the files that only they have.
//!
//! ```text
//!   wp-includes/version.php, wp-config*.php or wp-load.php   WordPress     root: there
//!   artisan, public/index.php                                Laravel       root: public
//!   bin/console, public/index.php                            Symfony       root: public
//!   public/index.php, web/index.php, index.php               plain PHP     root: there
//! ```

use super::{Folder, Found, Kind};

/// A PHP site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Php {
    /// What it is made with.
    pub framework: Framework,
    /// The folder that visitors see, by its path from the project's folder; `.` is that one.
    pub root: String,
    /// What shows that it needs a MySQL database.
    pub database: Option<String>,
}

/// What a PHP site is made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framework {
    /// WordPress.
    WordPress,
    /// Laravel.
    Laravel,
    /// Symfony.
    Symfony,
    /// Nothing that is known here.
    Plain,
}

impl Framework {
    /// Its name, for people.
    pub fn name(self) -> &'static str {
        match self {
            Framework::WordPress => "WordPress",
            Framework::Laravel => "Laravel",
            Framework::Symfony => "Symfony",
            Framework::Plain => "PHP",
        }
    }
}

/// The first rule that matches. `root` is the folder that the settings name.
pub(super) fn find(folder: &dyn Folder, root: Option<&str>) -> Option<Found> {
    wordpress(folder, root)
        .or_else(|| laravel(folder))
        .or_else(|| symfony(folder))
        .or_else(|| plain(folder, root))
        .map(|found| rooted(found, root))
}

/// What the settings ask for. None for what is no PHP.
pub(super) fn asked(folder: &dyn Folder, app: &str, root: Option<&str>) -> Option<Found> {
    let found = match app {
        "wordpress" => wordpress(folder, root),
        "laravel" => laravel(folder),
        "symfony" => symfony(folder),
        "php" => plain(folder, root).or_else(|| {
            let root = root.unwrap_or(".");
            let reason = "davy.toml says app = \"php\"".to_owned();
            Some(found(Framework::Plain, root, root, reason, None))
        }),
        _ => None,
    };
    found.map(|found| rooted(found, root))
}

/// Whether `app` asks for PHP.
pub(super) fn is_asked(app: &str) -> bool {
    matches!(app, "wordpress" | "laravel" | "symfony" | "php")
}

pub(super) fn looked_for(app: Option<&str>) -> &'static str {
    match app {
        Some("wordpress") => "wp-includes/version.php with wp-load.php beside wp-includes",
        Some("laravel") => "artisan and public/index.php",
        Some("symfony") => "bin/console and public/index.php",
        _ => {
            "wp-includes and wp-load.php (WordPress); artisan (Laravel) or bin/console (Symfony) \
             and public/index.php; public/index.php, web/index.php or index.php (PHP)"
        }
    }
}

fn wordpress(folder: &dyn Folder, root: Option<&str>) -> Option<Found> {
    let roots = root.into_iter().chain([".", "public", "web"]);
    roots.into_iter().find_map(|root| {
        let there = |name: &str| folder.text(&below(root, name)).is_some();
        let config = ["wp-config.php", "wp-config-sample.php", "wp-load.php"];
        let config = config.into_iter().find(|name| there(name))?;
        if !there("wp-includes/version.php") {
            return None;
        }
        let file = below(root, config);
        let reason = format!("there are {file} and {}", below(root, "wp-includes"));
        Some(found(Framework::WordPress, root, &file, reason, Some("WordPress".to_owned())))
    })
}

fn laravel(folder: &dyn Folder) -> Option<Found> {
    folder.text("artisan")?;
    folder.text("public/index.php")?;
    // Its own setting: what the project's .env says, or what a new one would.
    let setting = |name: &str| {
        [".env", ".env.example"].iter().find_map(|file| {
            let text = folder.text(file)?;
            let line = text.lines().rev().find_map(|line| line.trim().strip_prefix(name))?;
            Some(line.strip_prefix('=')?.trim_matches(['"', '\'']).to_owned())
        })
    };
    let own =
        setting("DB_HOST").is_some_and(|host| !matches!(&*host, "127.0.0.1" | "localhost" | ""));
    let database =
        setting("DB_CONNECTION").filter(|it| !own && matches!(&**it, "mysql" | "mariadb"));
    let database = database.map(|_| "Laravel's mysql".to_owned());
    let reason = "there are artisan and public/index.php".to_owned();
    Some(found(Framework::Laravel, "public", "artisan", reason, database))
}

fn symfony(folder: &dyn Folder) -> Option<Found> {
    folder.text("bin/console")?;
    folder.text("public/index.php")?;
    let reason = "there are bin/console and public/index.php".to_owned();
    let database = composer_names(folder, &["doctrine/doctrine-bundle", "doctrine/orm"]);
    Some(found(Framework::Symfony, "public", "bin/console", reason, database))
}

fn plain(folder: &dyn Folder, root: Option<&str>) -> Option<Found> {
    let roots = match root {
        Some(root) => vec![root],
        None => vec!["public", "web", "."],
    };
    roots.into_iter().find_map(|root| {
        let file = below(root, "index.php");
        let text = folder.text(&file)?;
        let database = composer_names(folder, &["ext-mysqli", "ext-pdo_mysql", "doctrine/dbal"]);
        let calls = [("mysqli", "mysqli"), ("mysql:", "PDO for MySQL")];
        let called = calls.iter().find(|(sign, _)| text.contains(sign));
        let database = database.or_else(|| called.map(|(_, name)| (*name).to_owned()));
        let reason = format!("there is {file}");
        Some(found(Framework::Plain, root, &file, reason, database))
    })
}

/// The first of these packages that composer.json requires.
fn composer_names(folder: &dyn Folder, packages: &[&str]) -> Option<String> {
    let json: serde_json::Value = serde_json::from_str(&folder.text("composer.json")?).ok()?;
    let required = json.get("require")?;
    packages.iter().find(|name| required.get(**name).is_some()).map(|name| (*name).to_owned())
}

fn found(
    framework: Framework,
    root: &str,
    file: &str,
    reason: String,
    database: Option<String>,
) -> Found {
    let kind = Kind::Php(Php { framework, root: root.to_owned(), database });
    Found { kind, callable: None, file: file.to_owned(), reason }
}

/// The settings have the last word on the root.
fn rooted(mut found: Found, root: Option<&str>) -> Found {
    if let (Kind::Php(php), Some(root)) = (&mut found.kind, root) {
        root.clone_into(&mut php.root);
    }
    found
}

fn below(root: &str, name: &str) -> String {
    if root == "." { name.to_owned() } else { format!("{root}/{name}") }
}

#[cfg(test)]
mod tests;
