//! What must not be shown: told by the name of a variable and by the form of a value. Pure.
//!
//! A guess, for `[env]` in davy.toml only, where no secret should stand; of `.env` nothing is shown.

/// Whether a variable of this name mostly holds a secret.
pub(super) fn is_name_of_one(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    name.split('_').any(|word| WORDS.contains(&word))
        || PARTS.iter().any(|part| name.contains(part))
}

/// The text without what may be a password in a URL (RFC 3986 §3.2.1): in the user information, or
/// in the query, as some drivers take it.
pub(super) fn without_password(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let authority = match authority.rsplit_once('@') {
        Some((user, host)) => {
            let (user, password) = user.split_once(':').unwrap_or((user, ""));
            format!("{user}{}@{host}", if password.is_empty() { "" } else { ":…" })
        }
        None => authority.to_owned(),
    };
    let path = match path.split_once('?') {
        Some((path, query)) => format!("{path}?{}", without_secrets(query)),
        None => path.to_owned(),
    };
    format!("{scheme}://{authority}{path}")
}

fn without_secrets(query: &str) -> String {
    let pair = |pair: &str| match pair.split_once('=') {
        Some((name, _)) if is_name_of_one(name) => format!("{name}=…"),
        _ => pair.to_owned(),
    };
    query.split('&').map(pair).collect::<Vec<_>>().join("&")
}

/// Words between underscores.
const WORDS: [&str; 6] = ["KEY", "PASS", "PWD", "PW", "DSN", "AUTH"];
/// Anywhere.
const PARTS: [&str; 8] =
    ["SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "TOKEN", "CREDENTIAL", "APIKEY", "PRIVATE"];
