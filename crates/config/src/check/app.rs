//! The values of `app`.

use crate::problems::Fault;
use crate::suggest::nearest;
use crate::{APP_KINDS, App};

/// What `app = "…"` asks for.
pub(super) fn app(text: &str) -> Result<App, Fault> {
    if APP_KINDS.contains(&text) {
        return Ok(App::Kind(text.to_owned()));
    }
    if text.contains("://") {
        return proxy(text);
    }
    match text.split_once(':') {
        Some((module, callable)) => named(module, callable),
        None => Err(unknown(text)),
    }
}

/// What `command = "…"` asks for.
pub(super) fn command(text: &str) -> Result<String, Fault> {
    if text.trim().is_empty() {
        return Err(Fault::new("`command` is empty", "write what is to be started, or remove it"));
    }
    if text.chars().any(char::is_control) {
        let help = "put a longer script into a file of its own, and name that";
        return Err(Fault::new("`command` must be one line", help));
    }
    Ok(text.to_owned())
}

/// A server's URL. Only its form is looked at: whether the server is there shows with the first
/// request.
fn proxy(text: &str) -> Result<App, Fault> {
    let form = "write it like \"http://127.0.0.1:3000\"";
    if text.starts_with("https://") {
        return Err(Fault::new("davy passes requests on by plain HTTP only", form));
    }
    let Some(rest) = text.strip_prefix("http://") else {
        return Err(Fault::new(format!("`app` can't be the URL \"{text}\""), form));
    };
    let (host, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let graphic = |text: &str| text.bytes().all(|b| b.is_ascii_graphic() && !b"?#@".contains(&b));
    let name = host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok());
    let name = name.map_or(host, |(name, _)| name);
    if name.is_empty() || !graphic(host) || !graphic(path) {
        return Err(Fault::new("`app` must be a URL of a host, perhaps a port and a path", form));
    }
    Ok(App::Proxy(text.to_owned()))
}

/// `module:callable`, as Gunicorn and others write it.
fn named(module: &str, callable: &str) -> Result<App, Fault> {
    let dotted = module.strip_suffix(".py").unwrap_or(module).trim_matches('/').replace('/', ".");
    let called = callable.strip_suffix("()").unwrap_or(callable);
    if called.contains('(') {
        return Err(Fault::new(
            "a function in `app` is called without arguments",
            "write \"module:create_app()\", or assign its result in the module and name that",
        ));
    }
    if dotted != module && dotted.split('.').all(is_identifier) && is_identifier(called) {
        return Err(Fault::new(
            format!("`app` takes a Python module, not a file: `{module}`"),
            format!("write \"{dotted}:{callable}\""),
        ));
    }
    for (what, name) in [("module", module), ("callable", called)] {
        if !name.split('.').all(is_identifier) {
            return Err(Fault::new(
                format!("`{name}` can't be the name of a Python {what}"),
                "write it like \"shop.wsgi:application\"",
            ));
        }
    }
    Ok(App::Callable { module: module.to_owned(), callable: callable.to_owned() })
}

fn unknown(text: &str) -> Fault {
    let message = format!("`app` can't be \"{text}\"");
    if let Some(module) = text.strip_suffix(".py").filter(|module| is_identifier(module)) {
        return Fault::new(
            message,
            format!("name the callable in it too, such as \"{module}:app\""),
        );
    }
    if let Some(word) = nearest(text, APP_KINDS) {
        return Fault::new(message, format!("did you mean \"{word}\"?"));
    }
    let words = APP_KINDS.map(|word| format!("\"{word}\"")).join(", ");
    Fault::new(message, format!("write {words}, \"module:callable\" or a URL"))
}

/// Whether a name can stand for something in Python; keywords are left to Python.
fn is_identifier(name: &str) -> bool {
    let letter = |c: char| c == '_' || c.is_alphabetic();
    name.starts_with(letter) && name.chars().all(|c| letter(c) || c.is_alphanumeric())
}
