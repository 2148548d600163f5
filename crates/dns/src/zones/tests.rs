//! Which zones are made of which names, and which settings are refused.

use std::net::IpAddr;

use super::*;
use crate::Names;

fn site(names: &[&str]) -> Names {
    let mut names = names.iter().map(|&name| name.to_owned());
    let domain = names.next().expect("a site has a name");
    Names { domain, aliases: names.collect(), addresses: vec![[8, 8, 8, 8].into()] }
}

fn zones(sites: &[&[&str]]) -> Result<Zones, Error> {
    Zones::new(&Settings { sites: sites.iter().map(|names| site(names)).collect(), serial: 1 })
}

fn apexes(sites: &[&[&str]]) -> Vec<String> {
    zones(sites).unwrap().apexes().map(str::to_owned).collect()
}

#[test]
fn www_is_no_zone_of_its_own() {
    assert_eq!(apexes(&[&["www.foobar.com"]]), ["foobar.com"]);
    assert_eq!(apexes(&[&["foobar.com", "www.foobar.com"]]), ["foobar.com"]);
    assert_eq!(apexes(&[&["www.www.foobar.com"]]), ["www.foobar.com"], "once");
    assert_eq!(apexes(&[&["www.com"]]), ["www.com"], "com is not ours to serve");
    assert_eq!(apexes(&[&["wwww.foobar.com"]]), ["wwww.foobar.com"]);
}

#[test]
fn a_name_below_another_of_its_site_lies_in_that_ones_zone() {
    assert_eq!(apexes(&[&["shop.foobar.com", "www.foobar.com"]]), ["foobar.com"]);
    assert_eq!(apexes(&[&["a.b.c.d.foobar.com", "d.foobar.com"]]), ["d.foobar.com"]);
    assert_eq!(apexes(&[&["shop.foobar.com", "blog.foobar.com"]]).len(), 2);
    assert_eq!(apexes(&[&["www.foobar.com", "foobar.org"]]).len(), 2);
}

#[test]
fn sites_with_the_same_apex_share_its_zone() {
    assert_eq!(apexes(&[&["www.foobar.com"], &["FooBar.com."]]), ["foobar.com"]);
    assert_eq!(apexes(&[&["foobar.com"], &["blog.foobar.com"]]).len(), 2);
}

#[test]
fn a_name_of_one_label_can_be_served() {
    assert_eq!(apexes(&[&["localhost"]]), ["localhost"]);
}

#[test]
fn no_sites_make_no_zones() {
    assert_eq!(apexes(&[]).len(), 0);
}

#[test]
fn names_that_cannot_be_served_are_refused_by_name() {
    let long_label = "x".repeat(64);
    let long_name = format!("{}com", "abcdefghi.".repeat(25));
    // There is no room left for `hostmaster.` in front of it.
    let no_room = format!("{}com", "abcdefghi.".repeat(24));
    for name in ["", ".", "..", "foo..com", "*.foobar.com", "foo bar.com", "föö.com", "a\\.b.com"]
        .into_iter()
        .chain([long_label.as_str(), long_name.as_str(), no_room.as_str()])
    {
        let error = zones(&[&[name]]).expect_err(name);
        assert!(matches!(error, Error::Name { .. }), "{name}: {error}");
        let error = zones(&[&["foobar.com", name]]).map(drop);
        assert!(error.is_err(), "{name} as an alias");
    }
}

#[test]
fn a_site_without_an_address_is_refused() {
    let nowhere = Names { addresses: Vec::new(), ..site(&["foobar.com"]) };
    let error = Zones::new(&Settings { sites: vec![nowhere], serial: 1 }).unwrap_err();
    assert_eq!(
        error.to_string(),
        "DNS has no address for `foobar.com`; set `address` to the addresses of this machine"
    );
}

#[test]
fn addresses_are_limited_over_all_sites_that_share_a_name() {
    let half = |from: u8| Names {
        addresses: (0..129).map(|n| IpAddr::from([10, from, 0, n])).collect(),
        ..site(&["foobar.com"])
    };
    let new = |sites: Vec<Names>| Zones::new(&Settings { sites, serial: 1 });
    assert!(new(vec![half(0), half(0)]).is_ok(), "the same ones twice are half as many");
    let error = new(vec![half(0), half(1)]).unwrap_err();
    assert!(matches!(error, Error::ManyAddresses { max: 256, .. }), "{error}");
}

#[test]
fn the_same_settings_give_the_same_bytes() {
    let answer = || {
        let zones = zones(&[&["www.foobar.com"], &["foobar.com", "b.foobar.com"]]).unwrap();
        let mut bytes = Vec::new();
        let query = b"\0\0\0\0\0\x01\0\0\0\0\0\0\x06foobar\x03com\0\0\x02\0\x01";
        crate::answer(&zones, query, crate::Transport::Tcp, &mut bytes);
        bytes
    };
    assert_eq!(answer(), answer());
}
