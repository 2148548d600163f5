//! Steps 2 and 3: dig asks for the site's names.

use davy_e2e::{Davy, Dig, Project, dig};

fn site() -> Project {
    let settings = r#"
        domain = "www.foobar.com"
        aliases = ["foobar.com", "shop.example.org"]
        address = ["8.8.8.8", "2001:db8::10"]
    "#;
    Project::of("names", &[("index.html", "hello"), ("davy.toml", settings)])
}

/// Asks over UDP and over TCP; both must tell the same.
fn ask(davy: &Davy<'_>, words: &[&str]) -> Dig {
    let udp = dig(davy.dns(), words);
    let tcp = dig(davy.dns(), &[words, &["+tcp"]].concat());
    assert_eq!((&udp.status, &udp.flags), (&tcp.status, &tcp.flags), "{}\n{}", udp.text, tcp.text);
    assert_eq!((&udp.answer, &udp.authority), (&tcp.answer, &tcp.authority));
    udp
}

fn is_authoritative(dig: &Dig) -> bool {
    dig.flags.split(' ').any(|flag| flag == "aa") && !dig.flags.contains("ra")
}

#[test]
fn domain_and_aliases_lead_to_the_address() {
    let project = site();
    let davy = project.up();
    for name in ["www.foobar.com", "foobar.com", "shop.example.org"] {
        let a = ask(&davy, &[name, "A"]);
        assert_eq!(a.status, "NOERROR", "{}", a.text);
        assert!(is_authoritative(&a), "{}", a.text);
        assert_eq!(a.answer, [format!("{name}. 60 IN A 8.8.8.8")]);
        let aaaa = ask(&davy, &[name, "AAAA"]);
        assert_eq!(aaaa.answer, [format!("{name}. 60 IN AAAA 2001:db8::10")]);
    }
    davy.stop();
}

#[test]
fn a_zone_has_its_authority_and_name_server() {
    let project = site();
    let davy = project.up();
    let soa = ask(&davy, &["foobar.com", "SOA"]);
    assert!(is_authoritative(&soa), "{}", soa.text);
    let record: Vec<&str> = soa.answer[0].split(' ').collect();
    assert_eq!((record[0], record[3], record.len()), ("foobar.com.", "SOA", 11));
    let ns = ask(&davy, &["foobar.com", "NS"]);
    let server = ns.answer[0].split(' ').nth(4).unwrap();
    assert_eq!(server, record[4], "the zone's name server is the first of its SOA");
    let address = ask(&davy, &[server, "A"]);
    assert!(address.answer[0].ends_with(" A 8.8.8.8"), "{}", address.text);
    davy.stop();
}

#[test]
fn what_is_not_there_is_denied_for_300_seconds() {
    let project = site();
    let davy = project.up();
    for (name, kind, status) in
        [("nobody.foobar.com", "A", "NXDOMAIN"), ("www.foobar.com", "MX", "NOERROR")]
    {
        let denied = ask(&davy, &[name, kind]);
        assert_eq!((&*denied.status, denied.answer.len()), (status, 0), "{}", denied.text);
        assert!(is_authoritative(&denied), "{}", denied.text);
        // RFC 2308 §3: the time to live of the SOA record is the negative one.
        let soa = &denied.authority[0];
        assert!(soa.starts_with("foobar.com. 300 IN SOA "), "{soa}");
        assert!(soa.ends_with(" 300"), "{soa}");
    }
    davy.stop();
}

#[test]
fn other_zones_are_refused() {
    let project = site();
    let davy = project.up();
    for name in ["example.com", "com", ".", "org", "notfoobar.com"] {
        let refused = ask(&davy, &[name, "A"]);
        assert_eq!(refused.status, "REFUSED", "{}", refused.text);
        assert!(refused.answer.is_empty() && refused.authority.is_empty(), "{}", refused.text);
    }
    davy.stop();
}

#[test]
fn messages_are_kept_small_and_case_is_kept() {
    let project = site();
    let davy = project.up();
    let asked = ask(&davy, &["wWw.FooBar.cOm", "A", "+bufsize=4096"]);
    assert!(asked.question.starts_with("wWw.FooBar.cOm."), "{}", asked.text);
    assert_eq!(asked.answer.len(), 1, "{}", asked.text);
    assert!(asked.text.contains("EDNS: version: 0, flags:; udp: 1232"), "{}", asked.text);
    let plain = ask(&davy, &["www.foobar.com", "A", "+noedns"]);
    assert!(!plain.text.contains("EDNS"), "{}", plain.text);
    davy.stop();
}
