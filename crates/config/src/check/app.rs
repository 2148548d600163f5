//! The values of `app`.

use crate::App;
use crate::problems::Fault;
use crate::suggest::nearest;

/// What `app = "…"` asks for.
pub(super) fn app(text: &str) -> Result<App, Fault> {
    match text {
        "flask" => Ok(App::Flask),
        "django" => Ok(App::Django),
        "wsgi" => Ok(App::Wsgi),
        "static" => Ok(App::Static),
        _ => match text.split_once(':') {
            Some((module, callable)) => named(module, callable),
            None => Err(unknown(text)),
        },
    }
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
    if let Some(word) = nearest(text, WORDS) {
        return Fault::new(message, format!("did you mean \"{word}\"?"));
    }
    let help = "write \"flask\", \"django\", \"wsgi\", \"static\" or \"module:callable\"";
    if NOT_YET.contains(&text) {
        return Fault::new(format!("this version can't run \"{text}\" applications yet"), help);
    }
    Fault::new(message, help)
}

/// Whether a name can stand for something in Python; keywords are left to Python.
fn is_identifier(name: &str) -> bool {
    let letter = |c: char| c == '_' || c.is_alphabetic();
    name.starts_with(letter) && name.chars().all(|c| letter(c) || c.is_alphanumeric())
}

const WORDS: [&str; 4] = ["flask", "django", "wsgi", "static"];

const NOT_YET: [&str; 13] = [
    "fastapi",
    "starlette",
    "asgi",
    "php",
    "wordpress",
    "laravel",
    "symfony",
    "rack",
    "rails",
    "sinatra",
    "node",
    "proxy",
    "command",
];
