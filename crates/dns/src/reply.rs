//! An answer on its way to bytes: which records it holds, and how it fits into its limit.
//!
//! ```text
//! ├ header 12 ┼ question as it came ┼ answer ┼ authority ┼ additional ┼ OPT 11 ┤
//!                                   '-- does not fit: left out, TC ---'
//!                                              additional does not fit: left out, no TC
//! ```

use domain::base::Rtype;
use domain::base::iana::Opcode;

use crate::query::{Edns, Query};
use crate::rrset::{QNAME_AT, RrSet};
use crate::zones::Zone;
use crate::{Rcode, Transport};

/// The longest datagram sent, and the longest one asked for: what passes through every path without
/// being cut into fragments (DNS flag day 2020, RFC 9715).
const UDP_BYTES_MAX: u16 = 1232;

/// The longest datagram for a client that says nothing about its own limit (RFC 1035 §2.3.4).
const UDP_BYTES_PLAIN: u16 = 512;

/// What is sent back.
pub(crate) struct Reply<'z> {
    pub(crate) rcode: Rcode,
    /// The zone that speaks; None in errors.
    zone: Option<&'z Zone>,
    answer: Option<&'z RrSet>,
    authority: Option<&'z RrSet>,
    additional: &'z [RrSet],
}

/// How much of the reply found room.
#[derive(Default)]
struct Written {
    answer: u16,
    authority: u16,
    additional: u16,
    truncated: bool,
}

impl<'z> Reply<'z> {
    /// An answer without records.
    pub(crate) fn error(rcode: Rcode) -> Reply<'z> {
        Reply { rcode, zone: None, answer: None, authority: None, additional: &[] }
    }

    /// "There is no such thing", with the record that tells for how long (RFC 2308 §2).
    pub(crate) fn negative(rcode: Rcode, zone: &'z Zone) -> Reply<'z> {
        Reply { zone: Some(zone), authority: Some(&zone.negative), ..Reply::error(rcode) }
    }

    /// Records that were found.
    pub(crate) fn positive(zone: &'z Zone, set: &'z RrSet) -> Reply<'z> {
        Reply { zone: Some(zone), answer: Some(set), ..Reply::error(Rcode::NoError) }
    }

    /// The name server, and beside its name its addresses.
    pub(crate) fn name_server(zone: &'z Zone, set: &'z RrSet) -> Reply<'z> {
        Reply { additional: &zone.glue, ..Reply::positive(zone, set) }
    }

    /// Writes the reply to `query`.
    pub(crate) fn write(&self, query: &Query<'_>, transport: Transport, into: &mut Vec<u8>) {
        into.clear();
        into.extend_from_slice(&[0; QNAME_AT]);
        // A message of another kind need not have a question where this server would see one.
        let question = query.question.as_ref().filter(|_| query.opcode == Opcode::QUERY);
        if let Some(question) = question {
            into.extend_from_slice(question.wire);
        }
        let opt = query.edns.map(|edns| opt_record(self.rcode, edns));
        let room = bytes_max(query.edns, transport) - opt.map_or(0, |opt| opt.len());
        let mut written = self.write_records(room, into);
        if let Some(opt) = opt {
            into.extend_from_slice(&opt);
            written.additional += 1;
        }
        let questions = u16::from(question.is_some());
        let header = self.header(query, questions, &written);
        into[..QNAME_AT].copy_from_slice(&header);
    }

    /// Writes what fits into `room` bytes: all of a section or nothing of it. RFC 2181 §9: TC is
    /// set for what the answer needs, not for what is sent along.
    fn write_records(&self, room: usize, into: &mut Vec<u8>) -> Written {
        let start = into.len();
        let apex = self.apex_at(start);
        let mut written = Written::default();
        for set in self.answer.into_iter().chain(self.authority) {
            if into.len() + set.size() > room {
                into.truncate(start);
                return Written { truncated: true, ..Written::default() };
            }
            set.append(into, apex);
        }
        written.answer = self.answer.map_or(0, RrSet::records);
        written.authority = self.authority.map_or(0, RrSet::records);
        for set in self.additional {
            if into.len() + set.size() <= room {
                set.append(into, apex);
                written.additional += set.records();
            }
        }
        written
    }

    /// Where the zone's apex starts within the question that ends at `end`.
    fn apex_at(&self, end: usize) -> usize {
        const TYPE_AND_CLASS: usize = 4;
        self.zone.map_or(0, |zone| end - TYPE_AND_CLASS - zone.apex_len)
    }

    fn header(&self, query: &Query<'_>, questions: u16, written: &Written) -> [u8; QNAME_AT] {
        let mut flags = QR | u16::from(query.opcode.to_int()) << 11 | (self.rcode as u16 & 0xF);
        if self.zone.is_some() {
            flags |= AA;
        }
        if written.truncated {
            flags |= TC;
        }
        // In messages of other kinds the bit may mean something else.
        if query.recursion_desired && query.opcode == Opcode::QUERY {
            flags |= RD;
        }
        let counts = [questions, written.answer, written.authority, written.additional];
        let mut header = [0; QNAME_AT];
        for (at, field) in [query.id, flags].into_iter().chain(counts).enumerate() {
            header[2 * at..2 * at + 2].copy_from_slice(&field.to_be_bytes());
        }
        header
    }
}

/// Writes SERVFAIL to a message that could not be dealt with: with nothing but its header read.
pub(crate) fn server_failure(query: &[u8], into: &mut Vec<u8>) -> Option<Rcode> {
    let [id_high, id_low, flags, ..] = *query.get(..QNAME_AT)? else { return None };
    let opcode_and_rd = flags & 0b0111_1001;
    into.clear();
    into.extend_from_slice(&[id_high, id_low, 0x80 | opcode_and_rd, Rcode::ServFail as u8]);
    into.resize(QNAME_AT, 0);
    Some(Rcode::ServFail)
}

/// How long the message may become.
fn bytes_max(edns: Option<Edns>, transport: Transport) -> usize {
    match transport {
        Transport::Tcp => usize::from(u16::MAX),
        Transport::Udp => usize::from(edns.map_or(UDP_BYTES_PLAIN, |edns| {
            // RFC 6891 §6.2.3: values under 512 are read as 512.
            edns.udp_bytes_max.clamp(UDP_BYTES_PLAIN, UDP_BYTES_MAX)
        })),
    }
}

/// Our OPT record: version 0 and no options (RFC 6891 §6.1.2). DO comes back as it was sent (RFC
/// 3225 §3), the other flags are zero.
fn opt_record(rcode: Rcode, edns: Edns) -> [u8; 11] {
    let [size_high, size_low] = UDP_BYTES_MAX.to_be_bytes();
    let [_, rtype] = Rtype::OPT.to_int().to_be_bytes();
    let extended_rcode = rcode as u8 >> 4;
    let flags = if edns.dnssec_ok { 0x80 } else { 0 };
    [0, 0, rtype, size_high, size_low, extended_rcode, 0, flags, 0, 0, 0]
}

const QR: u16 = 1 << 15;
const AA: u16 = 1 << 10;
pub(crate) const TC: u16 = 1 << 9;
const RD: u16 = 1 << 8;
