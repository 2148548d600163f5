//! Hosts and the sites they reach.

use super::*;

fn site(id: &str, names: &[&str]) -> Site {
    let names = names.iter().map(ToString::to_string).collect();
    Site { id: SiteId::new(id), names, mounts: Vec::new(), jobs: None, absent: Absent::default() }
}

fn found<'a>(sites: &'a Sites, host: &str) -> Option<&'a str> {
    sites.find(Some(host)).map(|site| site.id.as_str())
}

#[test]
fn a_name_is_found_whatever_its_case_port_or_final_dot() {
    let sites = Sites::new(vec![
        site("one", &["www.foobar.com", "FooBar.com."]),
        site("two", &["[::1]", "two.example"]),
    ]);
    for host in ["www.foobar.com", "WWW.foobar.COM:8080", "www.foobar.com.", "foobar.com.:80"] {
        assert_eq!(found(&sites, host), Some("one"), "{host}");
    }
    assert_eq!(found(&sites, "[::1]:8080"), Some("two"));
    assert_eq!(found(&sites, "[::1]"), Some("two"));
}

#[test]
fn several_sites_do_not_answer_for_a_strangers_name() {
    let sites = Sites::new(vec![site("one", &["one.example"]), site("two", &["two.example"])]);
    assert_eq!(found(&sites, "three.example"), None);
    assert_eq!(found(&sites, ""), None);
    assert!(sites.find(None).is_none());
    assert!(Sites::new(Vec::new()).find(Some("one.example")).is_none());
}

#[test]
fn the_only_site_answers_every_host() {
    let sites = Sites::new(vec![site("one", &["one.example"])]);
    assert_eq!(found(&sites, "127.0.0.1:8080"), Some("one"));
    assert!(sites.find(None).is_some());
}

#[test]
fn the_first_site_keeps_a_name_that_two_claim() {
    let sites = Sites::new(vec![site("one", &["a.example"]), site("two", &["a.example"])]);
    assert_eq!(found(&sites, "a.example"), Some("one"));
}
