//! Who gets a place, and when it is free again.

use super::*;

#[test]
fn a_client_takes_its_own_places_only() {
    let places = Places::new(5, 2);
    let [one, two]: [IpAddr; 2] = [[10, 0, 0, 1].into(), [10, 0, 0, 2].into()];
    let first = places.take(one);
    let second = places.take(one);
    assert!(first.is_some() && second.is_some());
    assert!(places.take(one).is_none(), "a third one");
    assert!(places.take(two).is_some());
    drop(first);
    assert!(places.take(one).is_some(), "there is room again");
}

#[test]
fn all_clients_together_are_limited() {
    let places = Places::new(3, 2);
    let held: Vec<_> = (0..3).map(|n| places.take([10, 0, 0, n].into())).collect();
    assert!(held.iter().all(Option::is_some));
    assert!(places.take([10, 0, 0, 9].into()).is_none());
    drop(held);
    assert!(places.take([10, 0, 0, 9].into()).is_some());
    assert!(places.taken().by_client.is_empty(), "nothing is kept of clients that have gone");
}

#[test]
fn an_ipv6_network_is_one_client() {
    let same = ["2001:db8::1", "2001:db8::ffff:0:0:1"].map(|text| client(text.parse().unwrap()));
    assert_eq!(same[0], same[1]);
    assert_ne!(client("2001:db8:0:1::1".parse().unwrap()), same[0]);
    let mapped: IpAddr = "::ffff:10.0.0.1".parse().unwrap();
    assert_eq!(client(mapped), IpAddr::from([10, 0, 0, 1]));
}
