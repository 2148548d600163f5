//! From settings to zones.
//!
//! ```text
//! Settings ─▶ Site: names checked ─▶ apexes ─▶ hosts: name → addresses ─▶ nodes, with the empty
//!                                                                        names between them
//! ```
//! The outcome depends on the settings alone: two machines with the same settings send the same
//! bytes.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;

use domain::base::{Name, Rtype, ToName};

use crate::rrset::{HOSTMASTER, NAME_SERVER, NEGATIVE_TTL, Owner, RrSet, ZONE_TTL};
use crate::zones::{Node, Zone, Zones};
use crate::{Error, Names, Settings};

/// How long the address of a site may be cached, in seconds. Short: when a machine dies, its
/// visitors come back after this time.
const SITE_TTL: u32 = 60;

/// The most addresses of one name: their records, 28 bytes each, must fit in a message.
const ADDRESSES_MAX: usize = 256;

type DnsName = Name<Vec<u8>>;

/// Zone apex → place in the list of zones.
type Apexes = BTreeMap<DnsName, usize>;

/// Name → its addresses.
type Hosts = BTreeMap<DnsName, Host>;

/// Name in wire form → its records.
type Nodes = HashMap<Box<[u8]>, Node>;

struct Site {
    names: Vec<DnsName>,
    addresses: Vec<IpAddr>,
}

struct Host {
    ttl: u32,
    addresses: Vec<IpAddr>,
}

pub(crate) fn zones(settings: &Settings) -> Result<Zones, Error> {
    let sites = settings.sites.iter().map(Site::new).collect::<Result<Vec<_>, _>>()?;
    let mut apexes: Apexes = sites.iter().flat_map(Site::apexes).map(|apex| (apex, 0)).collect();
    for (place, zone) in apexes.values_mut().enumerate() {
        *zone = place;
    }
    let hosts = hosts(&sites)?;
    // Each apex came from a site, and `hosts` holds the name server of each apex of each site.
    let zones = apexes
        .keys()
        .map(|apex| Ok(zone(apex, settings.serial, &hosts[&below(apex, NAME_SERVER)?])))
        .collect::<Result<Vec<_>, Error>>()?;
    let nodes = nodes(&apexes, &hosts, settings.serial);
    let labels_max = apexes.keys().chain(hosts.keys()).map(DnsName::label_count).max();
    Ok(Zones { zones, nodes, labels_max: labels_max.unwrap_or(0) })
}

impl Site {
    fn new(site: &Names) -> Result<Site, Error> {
        if site.addresses.is_empty() {
            return Err(Error::NoAddress { domain: site.domain.clone() });
        }
        let names = std::iter::once(&site.domain).chain(&site.aliases);
        let names = names.map(|name| parse(name)).collect::<Result<_, _>>()?;
        Ok(Site { names, addresses: site.addresses.clone() })
    }

    /// The names that lie below no other name of the site, `www.` left out.
    fn apexes(&self) -> Vec<DnsName> {
        let names: HashSet<DnsName> = self.names.iter().map(without_www).collect();
        let below_another = |name: &&DnsName| ancestors(name).any(|above| names.contains(&above));
        names.iter().filter(|name| !below_another(name)).cloned().collect()
    }
}

/// All names with addresses: those of the sites, and the name servers of their zones.
fn hosts(sites: &[Site]) -> Result<Hosts, Error> {
    let mut hosts = Hosts::new();
    for site in sites {
        for name in &site.names {
            add_host(&mut hosts, name.clone(), SITE_TTL, &site.addresses)?;
        }
        for apex in site.apexes() {
            // The longer of the two names that are made from an apex has to be a name, too.
            below(&apex, HOSTMASTER)?;
            add_host(&mut hosts, below(&apex, NAME_SERVER)?, ZONE_TTL, &site.addresses)?;
        }
    }
    Ok(hosts)
}

fn add_host(hosts: &mut Hosts, name: DnsName, ttl: u32, more: &[IpAddr]) -> Result<(), Error> {
    let text = name.to_string();
    let host = hosts.entry(name).or_insert(Host { ttl, addresses: Vec::new() });
    // The records of a set share their TTL, and there are no two equal ones (RFC 2181 §5).
    host.ttl = host.ttl.min(ttl);
    for address in more {
        if !host.addresses.contains(address) {
            host.addresses.push(*address);
        }
        if host.addresses.len() > ADDRESSES_MAX {
            return Err(Error::ManyAddresses { name: text, max: ADDRESSES_MAX });
        }
    }
    Ok(())
}

fn zone(apex: &DnsName, serial: u32, name_server: &Host) -> Zone {
    Zone {
        apex: apex.to_string(),
        apex_len: apex.len(),
        // RFC 2308 §3: the lesser of the record's own TTL and its MINIMUM field.
        negative: RrSet::start_of_authority(ZONE_TTL.min(NEGATIVE_TTL), serial),
        glue: address_sets(Owner::NameServer, name_server),
    }
}

fn nodes(apexes: &Apexes, hosts: &Hosts, serial: u32) -> Nodes {
    let mut nodes = Nodes::new();
    for (name, host) in hosts {
        add_sets(&mut nodes, apexes, name, address_sets(Owner::Asked, host));
    }
    for apex in apexes.keys() {
        let sets = vec![RrSet::name_server(), RrSet::start_of_authority(ZONE_TTL, serial)];
        add_sets(&mut nodes, apexes, apex, sets);
    }
    nodes
}

/// Adds records of a name to its zone. The names between it and the apexes above exist from then
/// on, too: what has something below it is not "no such name" (RFC 8020 §2).
fn add_sets(nodes: &mut Nodes, apexes: &Apexes, name: &DnsName, mut sets: Vec<RrSet>) {
    for name in std::iter::once(name.clone()).chain(ancestors(name)) {
        if let Some(zone) = zone_of(apexes, &name) {
            let empty = Node { zone, sets: Vec::new() };
            // The name itself comes first and takes the records; its ancestors find none left.
            nodes.entry(name.as_slice().into()).or_insert(empty).sets.append(&mut sets);
        }
    }
}

fn address_sets(owner: Owner, host: &Host) -> Vec<RrSet> {
    [Rtype::A, Rtype::AAAA]
        .into_iter()
        .filter_map(|rtype| RrSet::addresses(owner, rtype, host.ttl, &host.addresses))
        .collect()
}

/// The zone a name lies in: the deepest apex at it or above it.
fn zone_of(apexes: &Apexes, name: &DnsName) -> Option<usize> {
    apexes.get(name).copied().or_else(|| ancestors(name).find_map(|it| apexes.get(&it).copied()))
}

/// The names above a name, the nearest first, the root left out.
fn ancestors(name: &DnsName) -> impl Iterator<Item = DnsName> {
    name.iter_suffixes().skip(1).filter(|name| name.label_count() > 1).map(|name| name.to_name())
}

fn without_www(name: &DnsName) -> DnsName {
    match ancestors(name).next() {
        // The root counts as a label.
        Some(rest) if is_www(name) && rest.label_count() > 2 => rest,
        _ => name.clone(),
    }
}

fn is_www(name: &DnsName) -> bool {
    name.as_slice().starts_with(b"\x03www")
}

fn below(apex: &DnsName, label: &str) -> Result<DnsName, Error> {
    parse(&format!("{label}.{apex}"))
}

/// A host name in lower case: letters, digits, hyphens and underscores in at least one label.
fn parse(text: &str) -> Result<DnsName, Error> {
    let wrong = |cause: String| Error::Name { name: text.to_owned(), cause };
    let name: DnsName =
        text.to_ascii_lowercase().parse().map_err(|error| wrong(format!("{error}")))?;
    if name.label_count() < 2 {
        return Err(wrong("it has no labels".to_owned()));
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    match name.iter().find(|label| !label.iter().all(allowed)) {
        Some(label) => Err(wrong(format!(
            "`{label}` holds something else than letters, digits, hyphens and underscores"
        ))),
        None => Ok(name),
    }
}
