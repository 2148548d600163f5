//! The extensions that a project asks for in composer.json, as `ext-NAME`, and those that its
//! framework does not say but needs.

use serde_json::Value;

use super::Php;
use crate::detect::PhpFramework as Framework;

/// What is missing: the extension's name, and Debian's package of it.
pub fn missing(
    php: &Php,
    framework: Framework,
    composer_json: Option<&str>,
) -> Vec<(String, String)> {
    let mut wanted = required(composer_json.unwrap_or_default());
    if framework == Framework::WordPress {
        wanted.push("mysqli".to_owned());
    }
    wanted.dedup();
    let has = |name: &str| {
        // PHP says `Zend OPcache`, Composer `ext-zend-opcache`.
        php.modules.iter().any(|module| module.replace(' ', "-") == name)
    };
    let lacking = wanted.into_iter().filter(|name| !has(name));
    lacking.map(|name| (package(&name, php.short_version()), name)).map(|(p, n)| (n, p)).collect()
}

/// The names in `require`. A file that can't be read is Composer's to complain about.
fn required(composer_json: &str) -> Vec<String> {
    let json: Value = serde_json::from_str(composer_json).unwrap_or_default();
    let require = json.get("require").and_then(Value::as_object);
    let names = require.into_iter().flat_map(|require| require.keys());
    let mut names: Vec<String> = names
        .filter_map(|name| name.to_lowercase().strip_prefix("ext-").map(str::to_owned))
        .filter(|name| name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)))
        .collect();
    names.sort();
    names
}

/// Debian's and Ubuntu's package of an extension.
fn package(extension: &str, version: &str) -> String {
    let name = match extension {
        "dom" | "simplexml" | "xml" | "xmlreader" | "xmlwriter" | "xsl" => "xml",
        "mysqli" | "pdo_mysql" | "mysqlnd" => "mysql",
        "pdo_sqlite" | "sqlite3" => "sqlite3",
        "pdo_pgsql" | "pgsql" => "pgsql",
        "zend-opcache" => "opcache",
        other => other,
    };
    format!("php{version}-{name}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::php::Kind;

    fn php(modules: &[&str]) -> Php {
        Php {
            path: "/usr/sbin/php-fpm8.2".into(),
            kind: Kind::Fpm,
            version: "8.2.36".into(),
            modules: modules.iter().map(|&name| name.to_owned()).collect(),
            upload_bytes_max: 0,
        }
    }

    #[test]
    fn what_composer_json_names_and_php_lacks_is_told_with_its_package() {
        let json = r#"{"require": {"php": ">=8", "ext-DOM": "*", "ext-json": "*",
            "ext-zend-opcache": "*", "a/b": "1", "ext-$(x)": "*"}, "require-dev": {"ext-x": "*"}}"#;
        let found = missing(&php(&["json", "zend opcache"]), Framework::Plain, Some(json));
        assert_eq!(found, [("dom".to_owned(), "php8.2-xml".to_owned())]);
        assert!(missing(&php(&[]), Framework::Plain, Some("{not json")).is_empty());
    }

    #[test]
    fn wordpress_needs_mysqli() {
        let found = missing(&php(&[]), Framework::WordPress, None);
        assert_eq!(found, [("mysqli".to_owned(), "php8.2-mysql".to_owned())]);
    }
}
