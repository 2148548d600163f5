//! Targets and hosts.

use super::*;

#[test]
fn the_forms_are_told_apart() {
    let get = |target| parse(&Method::GET, target);
    assert_eq!(get("/a?b"), Ok(Form::Origin("/a?b")));
    assert_eq!(get("//a"), Ok(Form::Origin("//a")));
    for (target, authority, rest) in [
        ("http://a", "a", ""),
        ("HTTPS://a:1/b?c", "a:1", "/b?c"),
        ("http://[::1]:80?c", "[::1]:80", "?c"),
    ] {
        assert_eq!(get(target), Ok(Form::Absolute { authority, rest }));
    }
    assert_eq!(parse(&Method::OPTIONS, "*"), Ok(Form::Origin("*")));
    for target in ["*", "a", "a:443", "http:a", "ftp://a", "http://", "http:///a", "http://a@b"] {
        assert!(get(target).is_err(), "{target}");
    }
}

#[test]
fn bytes_that_no_uri_has_are_refused() {
    for target in ["/a#b", "/a\\b", "/a\"b", "/a<b", "/a^b", "/ä", "/a\u{7f}"] {
        assert!(parse(&Method::GET, target).is_err(), "{target}");
    }
    assert!(parse(&Method::GET, "/a|b{c}[d]~!$&'()*+,;=:@%zz").is_ok());
}

#[test]
fn hosts_are_names_or_addresses_with_or_without_a_port() {
    for host in ["a", "a.b-c_d", "127.0.0.1", "a.:80", "a:", "[::1]", "[::1]:8080", "[fe80::1]:"] {
        assert!(check_authority(host.as_bytes()).is_ok(), "{host}");
    }
    for host in [
        "", ":80", "a b", "a:80:80", "a:123456", "a:8x", "a/b", "a@b", "[::1", "::1", "[]", "[a]",
        "[::1]x", "a,b", "a%41", "a\tb",
    ] {
        assert!(check_authority(host.as_bytes()).is_err(), "{host}");
    }
}
