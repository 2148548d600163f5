//! Requests and the variables they become.

use std::collections::BTreeMap;
use std::sync::Arc;

use flow::{Body, Client, RequestId, Scheme, Trace};
use proptest::prelude::*;

use super::*;

fn request(builder: http::request::Builder) -> Request {
    let (head, ()) = builder.body(()).unwrap().into_parts();
    Request {
        head,
        body: Body::Empty,
        client: Client {
            address: "192.0.2.7:50000".parse().unwrap(),
            local: "192.0.2.1:8080".parse().unwrap(),
            scheme: Scheme::Http,
        },
        script: None,
        trace: Arc::new(Trace::new(RequestId::new(1, 1))),
    }
}

fn variables(builder: http::request::Builder) -> BTreeMap<String, String> {
    read(&encode(&request(builder)).unwrap())
}

/// Those of a script of a PHP site.
fn of_script(builder: http::request::Builder, name: &str, rest: &str) -> BTreeMap<String, String> {
    let mut request = request(builder);
    let bytes = |text: &str| Arc::from(text.as_bytes());
    let root = Arc::from(std::path::Path::new("/srv/shop/public"));
    request.script = Some(Script { root, name: bytes(name), rest: bytes(rest) });
    read(&encode(&request).unwrap())
}

fn read(bytes: &[u8]) -> BTreeMap<String, String> {
    let texts: Vec<String> = bytes
        .split(|byte| *byte == 0)
        .map(|text| text.iter().map(|byte| char::from(*byte)).collect())
        .collect();
    assert_eq!(texts.last().map(String::as_str), Some(""), "a NUL at the very end");
    texts.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect()
}

#[test]
fn a_request_becomes_the_variables_of_rfc_3875() {
    let found = variables(
        http::Request::get("/caf%C3%A9/a%2Fb?x=%20")
            .header("Host", "www.foobar.com:8080")
            .header("Content-Type", "text/plain")
            .header("Content-Length", "3")
            .header("Accept", "a")
            .header("Accept", "b")
            .header("Cookie", "c=1")
            .header("Cookie", "d=2"),
    );
    let expected = [
        ("PATH_INFO", "/caf\u{c3}\u{a9}/a/b"),
        ("QUERY_STRING", "x=%20"),
        ("REQUEST_URI", "/caf%C3%A9/a%2Fb?x=%20"),
        ("SERVER_NAME", "www.foobar.com"),
        ("SERVER_PORT", "8080"),
        ("REMOTE_ADDR", "192.0.2.7"),
        ("REMOTE_PORT", "50000"),
        ("CONTENT_TYPE", "text/plain"),
        ("CONTENT_LENGTH", "3"),
        ("HTTP_HOST", "www.foobar.com:8080"),
        ("HTTP_ACCEPT", "a, b"),
        ("HTTP_COOKIE", "c=1; d=2"),
    ];
    for (name, value) in expected {
        assert_eq!(found.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert_eq!(found.len(), expected.len() + 1, "and REQUEST_ID: {found:?}");
}

/// What nginx and php-fpm have for the same, with Debian's `fastcgi-php.conf`.
#[test]
fn a_script_is_told_where_it_lies_and_what_was_asked_for() {
    let found = of_script(http::Request::get("/a.php/b%20c?x=1"), "/a.php", "/b c");
    for (name, value) in [
        ("REQUEST_METHOD", "GET"),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("REQUEST_SCHEME", "http"),
        ("SCRIPT_NAME", "/a.php"),
        ("SCRIPT_FILENAME", "/srv/shop/public/a.php"),
        ("PATH_INFO", "/b c"),
        ("PATH_TRANSLATED", "/srv/shop/public/b c"),
        ("DOCUMENT_ROOT", "/srv/shop/public"),
        ("DOCUMENT_URI", "/a.php/b c"),
        ("REQUEST_URI", "/a.php/b%20c?x=1"),
        ("QUERY_STRING", "x=1"),
        ("SERVER_ADDR", "192.0.2.1"),
    ] {
        assert_eq!(found.get(name).map(String::as_str), Some(value), "{name}");
    }
    let pretty = of_script(http::Request::get("/news/today"), "/index.php", "");
    assert_eq!(pretty["REQUEST_URI"], "/news/today");
    assert_eq!(pretty["DOCUMENT_URI"], "/index.php");
    assert_eq!(pretty["QUERY_STRING"], "", "said, though it is usual");
    for absent in ["PATH_INFO", "PATH_TRANSLATED", "HTTPS", "HTTP_PROXY"] {
        assert!(!pretty.contains_key(absent), "{absent}");
    }
}

#[test]
fn fields_that_could_pose_as_others_are_left_out() {
    let found = variables(
        http::Request::get("/").header("Proxy", "evil").header("X_Forwarded_For", "evil"),
    );
    assert!(!found.values().any(|value| value == "evil"), "{found:?}");
}

#[test]
fn an_encoded_nul_in_the_path_is_refused() {
    let failure = encode(&request(http::Request::get("/a%00b"))).unwrap_err();
    assert_eq!(failure.status, StatusCode::BAD_REQUEST);
}

#[test]
fn the_port_is_cut_off_names_and_addresses() {
    assert_eq!(without_port(b"[2001:db8::1]:8080"), b"[2001:db8::1]");
    assert_eq!(without_port(b"localhost"), b"localhost");
    assert_eq!(without_port(b"[broken"), b"[broken");
}

proptest! {
    #[test]
    fn decoding_undoes_encoding(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        let encoded: String = bytes.iter().map(|byte| format!("%{byte:02X}")).collect();
        let decoded = decode_path(&encoded).into_owned();
        prop_assert_eq!(decoded, bytes);
    }

    #[test]
    fn any_path_is_decoded_without_panic(path in "[%0-9a-fA-Fg/]{0,40}") {
        prop_assert!(decode_path(&path).len() <= path.len());
    }
}
