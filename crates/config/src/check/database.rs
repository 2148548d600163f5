//! The values of the table `[db]`.

use crate::problems::Fault;
use crate::suggest::nearest;
use crate::{Engine, Relay};

/// What `engine = "…"` asks for.
pub(super) fn engine(text: &str) -> Result<Engine, Fault> {
    match text {
        "auto" => return Ok(Engine::Auto),
        "mariadb" => return Ok(Engine::Mariadb),
        "none" => return Ok(Engine::None),
        _ => {}
    }
    let help = match text.to_ascii_lowercase().as_str() {
        "mysql" => "write \"mariadb\": it speaks MySQL's protocol".to_owned(),
        other if OTHERS.contains(&other) => {
            "write where it is as `url`: davy itself runs MariaDB only".to_owned()
        }
        other => match nearest(other, ["auto", "mariadb", "none"]) {
            Some(word) => format!("did you mean \"{word}\"?"),
            None => "write \"auto\", \"mariadb\" or \"none\"".to_owned(),
        },
    };
    Err(Fault::new(format!("`engine` can't be \"{text}\""), help))
}

/// What `relay = "…"` asks for.
pub(super) fn relay(text: &str) -> Result<Relay, Fault> {
    match text {
        "on" => Ok(Relay::On),
        "off" => Ok(Relay::Off),
        _ => Err(Fault::new(
            format!("`relay` can't be \"{text}\""),
            "write \"on\" or \"off\"; without the line it is on",
        )),
    }
}

/// A database's URL, passed on as it is: each framework has schemes of its own (RFC 3986 §3.1). The
/// value may hold a password, so messages don't repeat it.
pub(super) fn url(text: &str) -> Result<String, Fault> {
    let form = "write it like \"mysql://user:password@host:3306/database\"";
    let fault = |message: &str, help: &str| Err(Fault::new(message, help));
    let Some((scheme, rest)) = text.split_once(':') else {
        return fault("`url` must be a URL: a scheme such as `mysql://` is missing", form);
    };
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return fault("`url` can't hold spaces or control characters", "write a space as %20");
    }
    if scheme.eq_ignore_ascii_case("jdbc") {
        return fault("`url` can't be a JDBC URL", "remove the `jdbc:` in front");
    }
    if !is_scheme(scheme) || !rest.starts_with("//") {
        return fault("`url` must be a URL: a scheme such as `mysql://` is missing", form);
    }
    let authority = rest[2..].split(['/', '?', '#']).next().unwrap_or_default();
    if authority.matches('@').count() > 1 {
        return fault("`url` has more than one `@`", "write an `@` in the password as %40");
    }
    let base = scheme.split('+').next().unwrap_or_default().to_ascii_lowercase();
    let host = authority.rsplit('@').next().unwrap_or_default();
    if ["mysql", "mariadb"].contains(&base.as_str()) && host.is_empty() {
        return fault("`url` names no host", form);
    }
    Ok(text.to_owned())
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

const OTHERS: [&str; 9] =
    ["postgres", "postgresql", "pgsql", "sqlite", "sqlite3", "oracle", "mongodb", "redis", "mssql"];
