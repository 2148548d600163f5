//! What the server is told: the names of the sites, and the addresses they lead to.
//!
//! The text comes from checked files, but nothing here relies on it: a name that can't be served is
//! an error, never a panic.

use std::io;
use std::net::IpAddr;

/// Everything the zones are made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The sites.
    pub sites: Vec<Names>,
    /// The serial of every zone's SOA record (RFC 1982). It must grow whenever the sites change.
    pub serial: u32,
}

/// The names of one site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// The site's main name, as `www.foobar.com`; in ASCII (punycode), in any case.
    pub domain: String,
    /// Its other names.
    pub aliases: Vec<String>,
    /// Where all of these names lead to, and where this server is reached. At least one, at most
    /// 256 for one name.
    pub addresses: Vec<IpAddr>,
}

/// Why the server can't start, or can't take new settings.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A name can't be served.
    #[error("DNS can't serve the name `{name}`: {cause}; correct `domain` or `aliases`")]
    Name {
        /// The name as it was given.
        name: String,
        /// What is wrong with it.
        cause: String,
    },
    /// A site has nowhere to lead to.
    #[error("DNS has no address for `{domain}`; set `address` to the addresses of this machine")]
    NoAddress {
        /// The site's main name.
        domain: String,
    },
    /// More addresses than an answer should hold.
    #[error("DNS has more than {max} addresses for `{name}`; list fewer in `address`")]
    ManyAddresses {
        /// The name.
        name: String,
        /// The limit.
        max: usize,
    },
    /// A socket can't be used.
    #[error("DNS can't use a socket it was handed: {0}; restart davy")]
    Socket(#[from] io::Error),
}
