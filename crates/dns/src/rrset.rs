//! Sets of records in the form they are sent in, written once when the zones are compiled.
//!
//! Every owner in an answer is the question's name, the zone's apex or `ns1` below it, and every
//! name within a record ends in the apex. The apex is a suffix of the question's name, which stands
//! at a fixed place, so all compression (RFC 1035 §4.1.4) comes down to two pointers: one that is
//! always the same, and one that is patched in when the set is sent:
//!
//! ```text
//! 0         12                                 the wire of an RrSet
//! ├ header ─┼ 3 www 6 foobar 3 com 0 │…┼─────▶ C0 0C │ A IN 60 4 │ 8 8 8 8     owner: asked
//!           └ 12: asked  └ 16: apex            C0 ?? │ SOA IN … │ 3 ns1 C0 ?? │ …  ?? = 16
//! ```

use std::net::IpAddr;

use domain::base::Rtype;
use domain::base::iana::Class;

/// The label of each zone's name server.
pub(crate) const NAME_SERVER: &str = "ns1";

/// The label of the mailbox of the person responsible for a zone.
pub(crate) const HOSTMASTER: &str = "hostmaster";

/// How long NS, SOA and the name server's addresses may be cached, in seconds: what registries ask
/// for (DENIC, Zonemaster).
pub(crate) const ZONE_TTL: u32 = 3600;

/// How long "there is no such name" may be cached, in seconds (RFC 2308 §4).
pub(crate) const NEGATIVE_TTL: u32 = 300;

/// Where a question's name starts in every message.
pub(crate) const QNAME_AT: usize = 12;

/// All records of one type at one name.
#[derive(Debug)]
pub(crate) struct RrSet {
    rtype: Rtype,
    records: u16,
    wire: Box<[u8]>,
    /// Where pointers to the apex lie in `wire`.
    apex_at: Box<[usize]>,
}

/// Whose records these are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The name asked for.
    Asked,
    /// The apex of the zone, whatever was asked for.
    Apex,
    /// The zone's name server.
    NameServer,
}

impl RrSet {
    /// The A or AAAA records of an owner; None when there are no addresses of that type.
    pub(crate) fn addresses(owner: Owner, rtype: Rtype, ttl: u32, all: &[IpAddr]) -> Option<RrSet> {
        let mut writer = Writer::default();
        for address in all {
            match address {
                IpAddr::V4(v4) if rtype == Rtype::A => {
                    writer.record(owner, rtype, ttl, |rdata| rdata.bytes(&v4.octets()));
                }
                IpAddr::V6(v6) if rtype == Rtype::AAAA => {
                    writer.record(owner, rtype, ttl, |rdata| rdata.bytes(&v6.octets()));
                }
                IpAddr::V4(_) | IpAddr::V6(_) => {}
            }
        }
        (writer.records > 0).then(|| writer.finish(rtype))
    }

    /// The NS record of a zone.
    pub(crate) fn name_server() -> RrSet {
        let mut writer = Writer::default();
        writer.record(Owner::Apex, Rtype::NS, ZONE_TTL, |rdata| rdata.below_apex(NAME_SERVER));
        writer.finish(Rtype::NS)
    }

    /// The SOA record of a zone (RFC 1035 §3.3.13), with timers that registries accept.
    pub(crate) fn start_of_authority(ttl: u32, serial: u32) -> RrSet {
        let (refresh, retry, expire) = (14_400, 3_600, 1_209_600);
        let mut writer = Writer::default();
        writer.record(Owner::Apex, Rtype::SOA, ttl, |rdata| {
            rdata.below_apex(NAME_SERVER);
            rdata.below_apex(HOSTMASTER);
            for number in [serial, refresh, retry, expire, NEGATIVE_TTL] {
                rdata.bytes(&number.to_be_bytes());
            }
        });
        writer.finish(Rtype::SOA)
    }

    /// The type of the records.
    pub(crate) fn rtype(&self) -> Rtype {
        self.rtype
    }

    /// How many records there are.
    pub(crate) fn records(&self) -> u16 {
        self.records
    }

    /// How many bytes they take in a message.
    pub(crate) fn size(&self) -> usize {
        self.wire.len()
    }

    /// Adds the records to a message whose question has the apex at `apex`.
    pub(crate) fn append(&self, message: &mut Vec<u8>, apex: usize) {
        let start = message.len();
        message.extend_from_slice(&self.wire);
        for &at in &self.apex_at {
            message[start + at..start + at + 2].copy_from_slice(&pointer(apex));
        }
    }
}

#[derive(Default)]
struct Writer {
    wire: Vec<u8>,
    apex_at: Vec<usize>,
    records: u16,
}

impl Writer {
    fn record(&mut self, owner: Owner, rtype: Rtype, ttl: u32, rdata: impl FnOnce(&mut Writer)) {
        match owner {
            Owner::Asked => self.bytes(&pointer(QNAME_AT)),
            Owner::Apex => self.apex(),
            Owner::NameServer => self.below_apex(NAME_SERVER),
        }
        self.bytes(&rtype.to_int().to_be_bytes());
        self.bytes(&Class::IN.to_int().to_be_bytes());
        self.bytes(&ttl.to_be_bytes());
        self.bytes(&[0, 0]);
        let start = self.wire.len();
        rdata(self);
        let length = u16::try_from(self.wire.len() - start)
            .expect("the longest data written here is that of an SOA record: 40 bytes");
        self.wire[start - 2..start].copy_from_slice(&length.to_be_bytes());
        self.records += 1;
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.wire.extend_from_slice(bytes);
    }

    fn apex(&mut self) {
        self.apex_at.push(self.wire.len());
        self.bytes(&pointer(0));
    }

    fn below_apex(&mut self, label: &'static str) {
        let length = u8::try_from(label.len()).expect("the labels written here are constants");
        self.bytes(&[length]);
        self.bytes(label.as_bytes());
        self.apex();
    }

    fn finish(self, rtype: Rtype) -> RrSet {
        RrSet { rtype, records: self.records, wire: self.wire.into(), apex_at: self.apex_at.into() }
    }
}

/// A pointer to a name that starts at `offset` in the message (RFC 1035 §4.1.4).
fn pointer(offset: usize) -> [u8; 2] {
    let offset = u16::try_from(offset).expect("a question's name ends before byte 267");
    (0xC000 | offset).to_be_bytes()
}
