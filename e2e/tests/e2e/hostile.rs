//! What no client sends: nonsense is refused or ignored, and the edge goes on.

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::time::Duration;

use davy_e2e::{Davy, Project, curl, dig};

fn site() -> Project {
    Project::of("wall", &[("index.html", "hello"), ("davy.toml", "domain = \"foobar.com\"")])
}

/// Sends bytes to the web server, and gives all that comes back until it closes.
fn send(davy: &Davy<'_>, bytes: &[u8]) -> String {
    let mut server = TcpStream::connect(davy.http()).unwrap();
    server.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    server.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn requests_that_could_be_read_in_two_ways_are_refused() {
    let project = site();
    let davy = project.up();
    let edge = davy.pid_of("edge");
    for fields in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Content-Length: 5\r\nContent-Length: 6",
        "Transfer-Encoding: gzip",
        "Content-Length: +5",
        "Host: other.com",
        "Field : value",
        "No-Colon",
    ] {
        let request = format!("POST / HTTP/1.1\r\nHost: foobar.com\r\n{fields}\r\n\r\nhello");
        let answer = send(&davy, request.as_bytes());
        let status = answer.split(' ').nth(1).unwrap_or_default();
        assert!(["400", "501"].contains(&status), "{fields}: {answer}");
    }
    let traversal = "GET /../davy.toml HTTP/1.1\r\nHost: foobar.com\r\nConnection: close\r\n\r\n";
    assert!(!send(&davy, traversal.as_bytes()).contains("domain ="));
    assert_eq!(curl(&davy.url("/")).text(), "hello");
    assert_eq!(davy.pid_of("edge"), edge, "it has not died");
    davy.stop();
}

#[test]
fn packets_that_are_no_questions_do_no_harm() {
    let project = site();
    let davy = project.up();
    let edge = davy.pid_of("edge");
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    // A question for foobar.com, cut off and with each of its bytes changed.
    let question = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x06foobar\x03com\0\0\x01\0\x01";
    for at in 0..question.len() {
        let mut changed = question.to_vec();
        changed[at] ^= 0xff;
        for packet in [&question[..at], &changed] {
            socket.send_to(packet, davy.dns()).unwrap();
        }
    }
    assert_eq!(dig(davy.dns(), &["foobar.com", "A"]).status, "NOERROR");
    assert_eq!(davy.pid_of("edge"), edge, "it has not died");
    davy.stop();
}
