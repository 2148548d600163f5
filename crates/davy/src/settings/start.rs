//! What each role is told at its start. The keeper carries it unread.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::place::Place;
use crate::trace::told::Tracing;

/// For the edge.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct EdgeStart {
    pub(crate) place: Place,
    /// The sites it serves. Their names come from here alone, never from a site itself.
    pub(crate) sites: Vec<EdgeSite>,
    /// Where the web server listens.
    pub(crate) http: SocketAddr,
    /// Where the name server listens.
    pub(crate) dns: SocketAddr,
    /// How many threads it has, each with a runtime of its own.
    pub(crate) threads: usize,
    pub(crate) tracing: Tracing,
}

/// A site, as the edge knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EdgeSite {
    pub(crate) name: String,
    pub(crate) domain: String,
    pub(crate) aliases: Vec<String>,
    pub(crate) address: Vec<IpAddr>,
    /// What its queue holds, and for how long.
    pub(crate) limits: config::Limits,
}

impl EdgeSite {
    /// The site of a project. Without a domain it is `NAME.localhost`, which browsers find on this
    /// machine (RFC 6761 §6.3); without an address, DNS leads to this machine.
    pub(crate) fn of(name: &str, config: &config::Config) -> EdgeSite {
        let label: String =
            name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let label = label.trim_matches('-');
        let label = if label.is_empty() { "site" } else { label };
        let address = match &config.address[..] {
            [] => vec![IpAddr::from(Ipv4Addr::LOCALHOST)],
            address => address.to_vec(),
        };
        EdgeSite {
            name: name.into(),
            domain: config.domain.clone().unwrap_or_else(|| format!("{label}.localhost")),
            aliases: config.aliases.clone(),
            address,
            limits: config.limits.clone(),
        }
    }
}

/// For a site.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SiteStart {
    pub(crate) place: Place,
    pub(crate) name: String,
}

/// For the database's keeper.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct DbStart {
    pub(crate) place: Place,
    pub(crate) tracing: Tracing,
    /// The sites that may have a database.
    pub(crate) sites: Vec<DbSite>,
}

/// A site, as the database's keeper knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DbSite {
    pub(crate) name: String,
    /// Whether it talks to the server through the relay.
    pub(crate) relay: config::Relay,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_without_a_domain_is_found_on_this_machine() {
        let site = EdgeSite::of("my_shop.", &config::Config::default());
        assert_eq!(site.domain, "my-shop.localhost");
        assert_eq!(site.address, [IpAddr::from([127, 0, 0, 1])]);
    }
}
