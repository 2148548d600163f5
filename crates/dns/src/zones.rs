//! The compiled zones: which names there are, and the records they have.
//!
//! One table holds the names of all zones, those without records too (empty non-terminals, RFC 4592
//! §2.2.2). A name that is not in it is looked for by its parents: the first one found is the
//! closest encloser and tells the zone. Names with more labels than any of ours are cut before the
//! first look-up, so that a question with 127 labels costs no more than one with three.

use std::collections::HashMap;

use crate::Error;
use crate::Settings;
use crate::compile;
use crate::query::Qname;
use crate::rrset::RrSet;

/// An immutable snapshot of all zones.
#[derive(Debug)]
pub struct Zones {
    pub(crate) zones: Vec<Zone>,
    /// By name in lower case, in wire form.
    pub(crate) nodes: HashMap<Box<[u8]>, Node>,
    /// The most labels a name here has, the root's included.
    pub(crate) labels_max: usize,
}

/// A zone: what its answers share.
#[derive(Debug)]
pub(crate) struct Zone {
    /// The apex for people, without a dot at the end.
    pub(crate) apex: String,
    /// The length of the apex in wire form.
    pub(crate) apex_len: usize,
    /// The SOA record as it stands in negative answers.
    pub(crate) negative: RrSet,
    /// The addresses of the name server, as they stand beside its name.
    pub(crate) glue: Vec<RrSet>,
}

/// A name, and its records.
#[derive(Debug)]
pub(crate) struct Node {
    /// The zone's place in [`Zones::zones`].
    pub(crate) zone: usize,
    /// The records; none at an empty non-terminal.
    pub(crate) sets: Vec<RrSet>,
}

/// Where a name was found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found<'z> {
    /// The zone it belongs to.
    pub(crate) zone: &'z Zone,
    /// The name itself, if it exists.
    pub(crate) node: Option<&'z Node>,
}

impl Zones {
    /// Compiles the zones.
    ///
    /// For the names of one site, a leading `www.` is left out if two labels remain; a name that
    /// lies below another one belongs to that one's zone, and each of the others is the apex of a
    /// zone. Sites with the same apex share its zone.
    ///
    /// # Errors
    /// A name that can't be served, a site without an address, more than 256 addresses for one
    /// name.
    pub fn new(settings: &Settings) -> Result<Zones, Error> {
        compile::zones(settings)
    }

    /// The apexes of the zones, in alphabetical order of their labels from the right; no dot at
    /// their ends. These are the names that a registrar has to delegate to this server.
    pub fn apexes(&self) -> impl Iterator<Item = &str> {
        self.zones.iter().map(|zone| zone.apex.as_str())
    }

    /// The name, or the zone it would lie in. None: it is not ours.
    pub(crate) fn find(&self, name: Qname<'_>) -> Option<Found<'_>> {
        let mut rest = name;
        while rest.labels > self.labels_max {
            rest = rest.parent()?;
        }
        loop {
            if let Some(node) = self.nodes.get(rest.wire) {
                let zone = &self.zones[node.zone];
                return Some(Found { zone, node: (rest.labels == name.labels).then_some(node) });
            }
            rest = rest.parent()?;
        }
    }
}

impl Found<'_> {
    /// Whether this is the apex of a zone.
    pub(crate) fn is_apex(&self, name: Qname<'_>) -> bool {
        self.node.is_some() && name.wire.len() == self.zone.apex_len
    }
}

#[cfg(test)]
mod tests;
