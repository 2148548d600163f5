//! The request target and the host (RFC 9112 §3.2, RFC 9110 §7.2).

use http::Method;

use super::Refusal;

/// A target that this server answers.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Form<'a> {
    /// `/path?query`, or `*` for OPTIONS.
    Origin(&'a str),
    /// `http://authority/path?query`; its authority counts, not the Host field.
    Absolute {
        /// Host and port.
        authority: &'a str,
        /// Path and query; the path may be missing.
        rest: &'a str,
    },
}

/// Reads a target.
pub(crate) fn parse<'a>(method: &Method, target: &'a str) -> Result<Form<'a>, Refusal> {
    if !target.bytes().all(is_target_byte) {
        return Err(Refusal::bad("the target has a forbidden character"));
    }
    if target.starts_with('/') || (target == "*" && *method == Method::OPTIONS) {
        return Ok(Form::Origin(target));
    }
    let Some(rest) = after_scheme(target) else {
        return Err(Refusal::bad("the target is neither a path nor an absolute http URI"));
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    check_authority(authority.as_bytes())?;
    Ok(Form::Absolute { authority, rest })
}

fn after_scheme(target: &str) -> Option<&str> {
    let (scheme, rest) = target.split_once("://")?;
    let known = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    known.then_some(rest)
}

/// Visible ASCII, but for what no URI contains and other readers take differently: `#` would begin
/// a fragment, `\` is `/` to browsers, `"<>^` and `` ` `` must be encoded. `{|}` are seen in the
/// wild.
fn is_target_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"#\\\"<>^`".contains(&byte)
}

/// Checks `host[:port]`: a name, an IPv4 address, or an IPv6 address in brackets. User names are
/// refused: they only ever disguise a host.
pub(crate) fn check_authority(authority: &[u8]) -> Result<(), Refusal> {
    let (host_is_valid, port) = match authority {
        [b'[', rest @ ..] => {
            let end = memchr::memchr(b']', rest).unwrap_or(0);
            let address = std::str::from_utf8(&rest[..end]).unwrap_or_default();
            let valid = address.parse::<std::net::Ipv6Addr>().is_ok();
            (valid, rest.get(end + 1..).unwrap_or_default())
        }
        _ => {
            let end = memchr::memchr(b':', authority).unwrap_or(authority.len());
            let name = &authority[..end];
            (!name.is_empty() && name.iter().all(is_name_byte), &authority[end..])
        }
    };
    let port_is_valid = match port {
        [] => true,
        [b':', digits @ ..] => digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if host_is_valid && port_is_valid {
        return Ok(());
    }
    Err(Refusal::bad("the host is malformed"))
}

fn is_name_byte(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._".contains(byte)
}

#[cfg(test)]
mod tests;
