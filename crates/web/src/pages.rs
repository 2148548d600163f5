//! What a visitor sees when a request fails: the status, the step it failed at, and the id under
//! which the log has the reason. Never the reason itself, a version or a path.

use flow::{Failure, RequestId};
use http::StatusCode;

use crate::h1::head::Head;

/// A page, ready to be sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// Its media type.
    pub(crate) media: &'static str,
    /// Its content.
    pub(crate) content: String,
}

/// What the client can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// A page for people.
    Html,
    /// An object for programs.
    Json,
}

impl Format {
    /// What the Accept field prefers: JSON where it is named and HTML is not.
    pub(crate) fn of(head: &Head) -> Format {
        let names = |media: &[u8]| {
            head.list("accept").any(|range| {
                let range = range.split(|&byte| byte == b';').next().unwrap_or_default();
                range.trim_ascii().eq_ignore_ascii_case(media)
            })
        };
        let json = names(b"application/json") && !names(b"text/html");
        if json { Format::Json } else { Format::Html }
    }
}

impl Page {
    /// The page for a failure.
    pub(crate) fn of(failure: &Failure, id: RequestId, format: Format) -> Page {
        let code = failure.status.as_u16();
        let reason = failure.status.canonical_reason().unwrap_or("Error");
        // The steps stand in their order, from 1 on.
        let (number, step) = (failure.step as u8 + 1, failure.step.name());
        match format {
            Format::Json => Page {
                media: "application/json",
                content: format!(
                    "{{\"error\":\"{code} {reason}\",\"step\":\"{step}\",\"id\":\"{id}\"}}\n"
                ),
            },
            Format::Html => Page {
                media: "text/html; charset=utf-8",
                content: format!(
                    "{TOP}<title>{code} {reason}</title>\n{STYLE}<main>\n\
                     <p class=\"code\">{code}</p>\n<h1>{reason}</h1>\n<p>{}</p>\n\
                     <footer>failed at step {number}, {step}<br>\
                     error id <code>{id}</code></footer>\n</main>\n</html>\n",
                    advice(failure.status),
                ),
            },
        }
    }
}

fn advice(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => "There is nothing at this address.",
        StatusCode::MISDIRECTED_REQUEST => "This server has no site of that name.",
        StatusCode::SERVICE_UNAVAILABLE => "The site is busy. Please try again in a moment.",
        StatusCode::GATEWAY_TIMEOUT => "The site took too long. Please try again in a moment.",
        status if status.is_server_error() => {
            "The site could not answer. Please try again, or tell its owner the error id below."
        }
        _ => "The request could not be answered as it was sent.",
    }
}

const TOP: &str = "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
    <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
    <meta name=\"robots\" content=\"noindex\">\n";

/// Nothing is fetched from elsewhere; colours follow the visitor's choice of light or dark.
const STYLE: &str = "<style>
:root { color-scheme: light dark; --ink: #1d2433; --dim: #667085; --paper: #f6f7f9;
  --lamp: #b45309 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e7eaf0; --dim: #8f99ab; --paper: #12151c; --lamp: #fbbf24 }
}
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1.5rem;
  box-sizing: border-box; background: var(--paper); color: var(--ink);
  font: 1.05rem/1.55 system-ui, sans-serif }
main { max-width: 30rem }
.code { margin: 0; font-size: 4.5rem; line-height: 1; font-weight: 750; letter-spacing: -.04em;
  color: var(--lamp) }
h1 { margin: .4rem 0 1rem; font-size: 1.5rem; font-weight: 650 }
footer { margin-top: 2rem; padding-top: 1rem; border-top: 1px solid color-mix(in srgb,
  var(--dim) 35%, transparent); color: var(--dim); font-size: .9rem }
code { font-family: ui-monospace, monospace; color: var(--ink) }
</style>
";

#[cfg(test)]
mod tests;
