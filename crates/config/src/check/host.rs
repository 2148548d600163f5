//! Host names: RFC 1123 §2.1 (letters, digits, hyphens), RFC 1035 §2.3.4 (lengths).
//!
//! Most mistakes here are of one kind: something was copied from the browser's address bar. So the
//! host name is looked for in what was written, and offered.

use std::net::IpAddr;

use crate::problems::Fault;

/// The host name in lower case, or what is wrong with it. `subject` begins the sentence.
pub(super) fn host(subject: &str, text: &str) -> Result<String, Fault> {
    let lower = text.to_ascii_lowercase();
    match fault(&lower) {
        None => Ok(lower),
        Some((what, help)) => {
            let bare = bare(&lower);
            let help = match fault(bare) {
                None => format!("write \"{bare}\""),
                Some(_) => help.to_owned(),
            };
            Err(Fault::new(format!("{subject} {what}"), help))
        }
    }
}

/// What is wrong with a text in lower case, most telling first: the rest of the sentence, and help.
fn fault(text: &str) -> Option<(String, &'static str)> {
    let is = |what: &str| Some(format!("is a host name: {what}"));
    let form = "write it like \"www.foobar.com\"";
    let address = text.trim_matches(['[', ']']).parse::<IpAddr>();
    let (what, help) = if text.trim().is_empty() {
        (Some("is empty".to_owned()), "write a name, or remove it")
    } else if address.is_ok() {
        let what = format!("is a name, not an IP address such as {text}");
        (Some(what), "write the address as `address = \"…\"`")
    } else if text.contains("://") {
        (is("without `http://` or `https://` in front"), form)
    } else if text.contains('/') {
        (is("without a path"), form)
    } else if text.contains('@') {
        (is("not an e-mail address"), form)
    } else if text.contains(':') {
        (is("without a port"), form)
    } else if text.contains('*') {
        let several = "write each name into `aliases`, without `*`";
        (Some(format!("can't hold a wildcard: `{text}`")), several)
    } else if text.trim().contains([',', ' ', ';']) {
        (Some("holds several names".to_owned()), "write one as `domain`, the others as `aliases`")
    } else if !text.is_ascii() {
        let what = format!("must be written in ASCII: `{text}` has other letters");
        (Some(what), "write the form that begins with `xn--`: your registrar shows it")
    } else {
        (letters(text), form)
    };
    what.map(|what| (what, help))
}

/// What is wrong with the letters and lengths of a name.
fn letters(text: &str) -> Option<String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    let label_fault = |label: &str| match label {
        "" => Some("has a dot too many".to_owned()),
        _ if label.len() > LABEL_BYTES_MAX => {
            Some(format!("has a part of more than {LABEL_BYTES_MAX} letters between its dots"))
        }
        _ if label.starts_with('-') || label.ends_with('-') => {
            Some(format!("can't have a hyphen at the start or end of a part: `{label}`"))
        }
        _ => None,
    };
    if let Some(bad) = text.chars().find(|c| !allowed(*c)) {
        let bad = bad.escape_debug();
        return Some(format!("may hold letters, digits, `-` and `.`, but not `{bad}`"));
    }
    if text.len() > NAME_BYTES_MAX {
        return Some(format!("is longer than {NAME_BYTES_MAX} characters"));
    }
    // A last label of digits alone would be taken for an IPv4 address (RFC 3696 §2).
    let last = text.rsplit('.').next().unwrap_or_default();
    if !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(format!("can't end in a number: `{last}`"));
    }
    text.split('.').find_map(label_fault)
}

/// The host name within a URL, an e-mail address, or a name with spaces or dots around it.
fn bare(text: &str) -> &str {
    let text = text.trim();
    let text = text.split_once("://").map_or(text, |(_, rest)| rest);
    let text = text.split(['/', '?', '#']).next().unwrap_or_default();
    let text = text.rsplit_once('@').map_or(text, |(_, host)| host);
    let text = text.split_once(':').map_or(text, |(host, _)| host);
    text.trim_matches('.')
}

const LABEL_BYTES_MAX: usize = 63;
const NAME_BYTES_MAX: usize = 253;
