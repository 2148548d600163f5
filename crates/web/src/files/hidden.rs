//! What is never served as a file, even when a site's root is the folder of its code.
//!
//! The rule looks at each segment of the path:
//! - one that starts with a dot is hidden (`.env`, `.git/`, `.davy/`), but for `/.well-known/` at
//!   the root (RFC 8615);
//! - one with an extension of [`EXTENSIONS`], or that ends in `~`, is hidden: code that runs on the
//!   server, its settings, databases, keys, leftovers of editors;
//! - one of [`NAMES`] or like [`PATTERNS`] (`requirements*.txt`) is hidden: files of build tools.
//!
//! Letters count without case. A hidden path is no file at all: the application may answer it.

/// Whether nothing at this normalised path is served.
pub(crate) fn is_hidden(path: &[u8]) -> bool {
    let well_known = path.strip_prefix(b"/.well-known");
    let path = well_known.filter(|rest| rest.starts_with(b"/")).unwrap_or(path);
    path.split(|&byte| byte == b'/').any(is_hidden_segment)
}

fn is_hidden_segment(segment: &[u8]) -> bool {
    if segment.starts_with(b".") || segment.ends_with(b"~") {
        return true;
    }
    // What is left of a script when it is renamed: `a.php.txt`, `a.php_old`, `a.php-2019`.
    let lower = segment.to_ascii_lowercase();
    if let Some(at) = memchr::memmem::find(&lower, b".php")
        && lower.get(at + 4).is_some_and(|after| !after.is_ascii_alphanumeric())
    {
        return true;
    }
    if let Some(dot) = segment.iter().rposition(|&byte| byte == b'.')
        && is_any_of(&segment[dot + 1..], EXTENSIONS)
    {
        return true;
    }
    is_any_of(segment, NAMES) || PATTERNS.iter().any(|pattern| matches(segment, *pattern))
}

fn matches(segment: &[u8], (start, end): (&str, &str)) -> bool {
    let begins = segment.get(..start.len());
    let ends = segment.len().checked_sub(end.len()).and_then(|at| segment.get(at..));
    begins.is_some_and(|begins| begins.eq_ignore_ascii_case(start.as_bytes()))
        && ends.is_some_and(|ends| ends.eq_ignore_ascii_case(end.as_bytes()))
}

fn is_any_of(text: &[u8], list: &[&str]) -> bool {
    list.iter().any(|entry| text.eq_ignore_ascii_case(entry.as_bytes()))
}

/// Extensions of what is never served.
#[rustfmt::skip]
const EXTENSIONS: &[&str] = &[
    // Code that runs on the server.
    "py", "pyc", "pyo", "pyi", "php", "php3", "php4", "php5", "php7", "php8", "phps", "pht",
    "phpt", "phtml", "phar", "inc", "rb", "ru", "erb", "rake", "gemspec", "pl", "pm", "cgi",
    // Settings, lock files, logs.
    "env", "toml", "ini", "cfg", "conf", "lock", "log",
    // Databases and keys.
    "sqlite", "sqlite3", "db", "sql", "key", "pem", "p12", "pfx",
    // What editors and patches leave behind.
    "bak", "orig", "rej", "swp", "swo",
];

/// Names of what is never served.
#[rustfmt::skip]
const NAMES: &[&str] = &[
    "composer.json", "Rakefile", "Procfile", "Makefile", "pnpm-lock.yaml", "compose.yml",
    "compose.yaml", "database.yml", "secrets.yml",
];

/// Beginnings and ends of names of what is never served.
#[rustfmt::skip]
const PATTERNS: &[(&str, &str)] = &[
    ("requirements", ".txt"), ("package", ".json"), ("Pipfile", ""), ("Gemfile", ""),
    ("wp-config", ""), ("Dockerfile", ""), ("docker-compose", ""), ("id_rsa", ""), ("id_ed25519", ""),
];

#[cfg(test)]
mod tests;
