//! Heads of requests, as upstreams get them.

use flow::Scheme;
use flow::control::Address;

use super::*;

fn server(prefix: &str, host: Option<&str>) -> Server {
    let address = Address::Tcp("127.0.0.1".into(), 3000);
    Server { address, prefix: prefix.into(), host: host.map(str::to_owned) }
}

fn origin(target: &str, fields: &[(&str, &str)], from: &str) -> Origin {
    let request = http::Request::builder().method("POST").uri(target);
    let request =
        fields.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let (head, ()) = request.body(()).unwrap().into_parts();
    let local = "127.0.0.1:8080".parse().unwrap();
    Origin { head, client: Client { address: from.parse().unwrap(), local, scheme: Scheme::Http } }
}

fn written(origin: &Origin, server: &Server, framing: Framing) -> String {
    let mut out = BytesMut::new();
    write(&mut out, origin, RequestId::new(1, 1), server, framing);
    String::from_utf8(out.to_vec()).unwrap()
}

#[test]
fn target_and_host_are_the_visitors_own() {
    let origin = origin("/a%2Fb?c=d", &[("host", "shop.example:8080")], "192.0.2.7:99");
    let text = written(&origin, &server("", None), Framing::Chunked);
    let expected = format!(
        "POST /a%2Fb?c=d HTTP/1.1\r\nhost: shop.example:8080\r\nx-forwarded-for: 192.0.2.7\r\n\
         x-forwarded-proto: http\r\nx-forwarded-host: shop.example:8080\r\n\
         forwarded: for=192.0.2.7;host=\"shop.example:8080\";proto=http\r\n\
         x-request-id: {}\r\ntransfer-encoding: chunked\r\n\r\n",
        RequestId::new(1, 1)
    );
    assert_eq!(text, expected);
}

#[test]
fn a_proxied_server_may_have_a_prefix_and_a_host_of_its_own() {
    let origin = origin("/a", &[("host", "shop.example")], "[2001:db8::7]:99");
    let text = written(&origin, &server("/api", Some("api.example")), Framing::None);
    assert!(text.starts_with("POST /api/a HTTP/1.1\r\nhost: api.example\r\n"), "{text}");
    assert!(text.contains("\r\nx-forwarded-host: shop.example\r\n"), "{text}");
    assert!(text.contains("\r\nforwarded: for=\"[2001:db8::7]\";host=\"shop.example\""), "{text}");
    assert!(!text.contains("content-length") && !text.contains("transfer-encoding"), "{text}");
}

#[test]
fn what_visitors_say_of_proxies_and_what_could_pose_as_another_field_is_dropped() {
    let forged = [
        ("x-forwarded-for", "10.0.0.1"),
        ("x-forwarded-port", "1"),
        ("x-real-ip", "10.0.0.1"),
        ("forwarded", "for=10.0.0.1"),
        ("x-request-id", "forged"),
        ("x_forwarded_for", "10.0.0.1"),
        ("proxy", "http://10.0.0.1"),
        ("connection", "x"),
        ("te", "trailers"),
        ("cookie", "kept=1"),
    ];
    let text =
        written(&origin("/", &forged, "[::ffff:192.0.2.7]:1"), &server("", None), Framing::None);
    assert!(!text.contains("10.0.0.1") && !text.contains("forged"), "{text}");
    assert!(!text.contains("\r\nconnection") && !text.contains("\r\nte:"), "{text}");
    assert!(text.contains("\r\nx-forwarded-for: 192.0.2.7\r\n"), "{text}");
    assert!(text.contains("\r\nhost: 127.0.0.1:8080\r\ncookie: kept=1\r\n"), "{text}");
}

#[test]
fn content_is_framed_by_its_length_where_that_is_known() {
    let framing = |fields: &[(&str, &str)], body: &Body| {
        Framing::of(&origin("/", fields, "192.0.2.7:1").head.headers, body)
    };
    let stream = || Body::channel(1).1;
    assert_eq!(framing(&[], &Body::Empty), Framing::None);
    assert_eq!(framing(&[("content-length", "0")], &Body::Empty), Framing::Length(0));
    assert_eq!(framing(&[("content-length", "5")], &stream()), Framing::Length(5));
    assert_eq!(framing(&[], &Body::Full("abc".into())), Framing::Length(3));
    assert_eq!(framing(&[], &stream()), Framing::Chunked);
    assert_eq!(framing(&[("upgrade", "websocket")], &stream()), Framing::Upgrade);
}
