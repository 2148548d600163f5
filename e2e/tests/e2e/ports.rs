//! A port that somebody else holds.

use std::net::{TcpListener, UdpSocket};

use davy_e2e::{Project, curl, dig};

fn site() -> Project {
    Project::of("ports", &[("index.html", "hello"), ("davy.toml", "domain = \"foobar.com\"")])
}

/// Holds the usual ports, as far as nobody else does.
fn hold_usual_ports() -> (Option<TcpListener>, Option<UdpSocket>) {
    (TcpListener::bind("127.0.0.1:8080").ok(), UdpSocket::bind("127.0.0.1:5300").ok())
}

#[test]
fn next_to_a_usual_port_that_is_taken_the_next_free_one_is_used_and_said() {
    let held = hold_usual_ports();
    let project = site();
    let davy = project.start_with(&[]);
    davy.ready();
    let (http, dns) = (davy.http(), davy.dns());
    assert!((8081..8101).contains(&http.port()), "{http}");
    assert!((5301..5321).contains(&dns.port()), "{dns}");
    let said = davy.says("port     127.0.0.1:8080 is held by ");
    assert!(said.ends_with(&format!("the web server takes {}", http.port())), "{said}");
    if held.0.is_some() {
        assert!(said.contains(&format!("(pid {})", std::process::id())), "{said}");
    }
    let said = davy.says("port     127.0.0.1:5300 is held by ");
    assert!(said.ends_with(&format!("the name server takes {}", dns.port())), "{said}");
    assert_eq!(curl(&davy.url("/")).text(), "hello");
    assert_eq!(dig(dns, &["foobar.com", "A"]).answer, ["foobar.com. 60 IN A 127.0.0.1"]);
    davy.stop();
}

#[test]
fn a_taken_port_that_was_asked_for_is_refused_and_its_holder_named() {
    let project = site();
    let (tcp, udp) = (TcpListener::bind("127.0.0.1:0"), UdpSocket::bind("127.0.0.1:0"));
    let (tcp, udp) = (tcp.unwrap(), udp.unwrap());
    let own = std::fs::read_to_string("/proc/self/comm").unwrap();
    let holder = format!("{} (pid {}) holds it", own.trim(), std::process::id());
    for (flags, address, what) in [
        (["--http", "--dns"], tcp.local_addr().unwrap(), "web server"),
        (["--dns", "--http"], udp.local_addr().unwrap(), "name server"),
    ] {
        let port = address.port().to_string();
        let mut davy = project.start_with(&[flags[0], &port, flags[1], "0"]);
        davy.ends_badly();
        let said = davy.output();
        let expected = format!("the {what} can't listen on {address}: {holder}; choose another");
        assert!(said.contains(&expected), "{said}");
        assert!(said.contains(&format!("{} PORT", flags[0])), "{said}");
    }
}
