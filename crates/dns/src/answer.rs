//! The answer to a message: the rules of an authority, in the order they apply.
//!
//! Nothing here has a socket, a clock or a memory: the same zones and the same bytes always give
//! the same answer. What is not understood is answered, not ignored (RFC 8906): a client that hears
//! nothing waits, tries again, and blames the network.

use domain::base::Rtype;
use domain::base::iana::{Class, Opcode};

use crate::Zones;
use crate::query::{Qname, Query};
use crate::reply::Reply;
use crate::rrset::RrSet;
use crate::zones::{Found, Node};

/// What a message came in on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A datagram: the answer is at most 1232 bytes long, and shorter if the client says so.
    Udp,
    /// A stream: the answer is complete.
    Tcp,
}

/// How a message was answered: the codes of RFC 1035 §4.1.1 and RFC 6891 §9 in use here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rcode {
    /// The name exists; there may still be no records of the type.
    NoError = 0,
    /// The message could not be read.
    FormErr = 1,
    /// Something broke here.
    ServFail = 2,
    /// There is no such name.
    NxDomain = 3,
    /// This kind of message is not implemented.
    NotImp = 4,
    /// Not for this server to answer.
    Refused = 5,
    /// This version of EDNS is not implemented.
    BadVers = 16,
}

/// Answers a message: `into` then holds the answer, and nothing else.
///
/// None: nothing is to be sent back, for there is no whole header, or the message is an answer
/// itself. `into` keeps its memory from one answer to the next.
pub fn answer(
    zones: &Zones,
    query: &[u8],
    transport: Transport,
    into: &mut Vec<u8>,
) -> Option<Rcode> {
    let query = Query::read(query)?;
    let reply = decide(zones, &query);
    reply.write(&query, transport, into);
    Some(reply.rcode)
}

fn decide<'z>(zones: &'z Zones, query: &Query<'_>) -> Reply<'z> {
    if query.opcode != Opcode::QUERY {
        return Reply::error(Rcode::NotImp);
    }
    let Some(question) = query.question.as_ref().filter(|_| query.whole) else {
        return Reply::error(Rcode::FormErr);
    };
    if query.edns.is_some_and(|edns| edns.version > 0) {
        return Reply::error(Rcode::BadVers);
    }
    let transfer = matches!(question.rtype, Rtype::AXFR | Rtype::IXFR);
    match find(zones, question.name(), question.rtype) {
        Some(found) if question.class == Class::IN && !transfer => look_up(found, question.rtype),
        _ => Reply::error(Rcode::Refused),
    }
}

/// The place of a name in the zones. The DS records of a zone belong to the zone above it; if that
/// one is ours, too, it answers (RFC 4035 §3.1.4.1).
fn find<'z>(zones: &'z Zones, name: Qname<'_>, rtype: Rtype) -> Option<Found<'z>> {
    let found = zones.find(name)?;
    if rtype != Rtype::DS || !found.is_apex(name) {
        return Some(found);
    }
    let above = name.parent().and_then(|parent| zones.find(parent));
    Some(above.map_or(found, |above| Found { zone: above.zone, node: found.node }))
}

fn look_up(found: Found<'_>, rtype: Rtype) -> Reply<'_> {
    let Some(node) = found.node else {
        return Reply::negative(Rcode::NxDomain, found.zone);
    };
    let Some(set) = pick(node, rtype) else {
        return Reply::negative(Rcode::NoError, found.zone);
    };
    match rtype {
        Rtype::NS => Reply::name_server(found.zone, set),
        _ => Reply::positive(found.zone, set),
    }
}

/// The records of a type. For ANY it is the shortest set of the name: whoever asks for everything
/// mostly wants a large answer sent to somebody else (RFC 8482 §4.1).
fn pick(node: &Node, rtype: Rtype) -> Option<&RrSet> {
    match rtype {
        Rtype::ANY => node.sets.iter().min_by_key(|set| set.size()),
        _ => node.sets.iter().find(|set| set.rtype() == rtype),
    }
}

#[cfg(test)]
mod tests;
