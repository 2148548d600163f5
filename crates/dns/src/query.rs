//! What was asked: a message, read with the codec of the crate `domain`.
//!
//! Reading never fails as a whole: whatever has a header can be answered, and what could be read
//! before the first fault (the question, the OPT record) belongs into that answer. Records other
//! than OPT are skipped, but have to be whole.

use domain::base::iana::{Class, Opcode};
use domain::base::message::{Message, QuestionSection};
use domain::base::opt::{Opt, OptRecord};
use domain::base::wire::ParseError;
use domain::base::{ParsedRecord, Rtype, ToName};
use domain::dep::octseq::array::Array;

/// A message that wants an answer.
pub(crate) struct Query<'q> {
    pub(crate) id: u16,
    pub(crate) opcode: Opcode,
    pub(crate) recursion_desired: bool,
    /// The question, if there is exactly one and it can be read.
    pub(crate) question: Option<Question<'q>>,
    /// What the OPT record says (RFC 6891), if there is one.
    pub(crate) edns: Option<Edns>,
    /// Whether the message as a whole could be read.
    pub(crate) whole: bool,
}

/// The question.
pub(crate) struct Question<'q> {
    /// Its bytes in the message: they are sent back as they came (0x20 mixed case and all).
    pub(crate) wire: &'q [u8],
    pub(crate) rtype: Rtype,
    pub(crate) class: Class,
    name: Array<255>,
    labels: usize,
}

/// A name in lower case, in wire form.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Qname<'n> {
    pub(crate) wire: &'n [u8],
    /// How many labels it has, the root's included.
    pub(crate) labels: usize,
}

/// What the client says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Edns {
    pub(crate) version: u8,
    /// The longest datagram it takes, in bytes.
    pub(crate) udp_bytes_max: u16,
    pub(crate) dnssec_ok: bool,
}

/// The message breaks a rule of its format.
struct Broken;

impl From<ParseError> for Broken {
    fn from(_: ParseError) -> Broken {
        Broken
    }
}

impl<'q> Query<'q> {
    /// Reads a message. None: there is no header, or it is an answer itself, and answering answers
    /// would let two servers talk for ever.
    pub(crate) fn read(bytes: &'q [u8]) -> Option<Query<'q>> {
        let message = Message::from_octets(bytes).ok()?;
        let header = message.header();
        if header.qr() {
            return None;
        }
        let mut query = Query {
            id: header.id(),
            opcode: header.opcode(),
            recursion_desired: header.rd(),
            question: None,
            edns: None,
            whole: false,
        };
        query.whole = query.read_sections(bytes, &message).is_ok();
        Some(query)
    }

    fn read_sections(&mut self, bytes: &'q [u8], message: &Message<&[u8]>) -> Result<(), Broken> {
        if message.header_counts().qdcount() != 1 {
            return Err(Broken);
        }
        let mut section = message.question();
        self.question = Some(Question::read(bytes, &mut section)?);
        let mut records = section.answer()?;
        loop {
            for record in records.by_ref() {
                self.read_record(&record?)?;
            }
            let end = records.pos();
            match records.next_section()? {
                Some(next) => records = next,
                // Something that no count speaks of follows the last record.
                None if end != bytes.len() => return Err(Broken),
                None => return Ok(()),
            }
        }
    }

    /// Takes note of the OPT record. RFC 6891 §6.1.1: there is at most one, and the root owns it.
    fn read_record(&mut self, record: &ParsedRecord<'_, &[u8]>) -> Result<(), Broken> {
        let Some(opt) = record.to_record::<Opt<_>>()? else { return Ok(()) };
        if self.edns.is_some() || !opt.owner().is_root() {
            return Err(Broken);
        }
        let opt = OptRecord::from(opt);
        self.edns = Some(Edns {
            version: opt.version(),
            udp_bytes_max: opt.udp_payload_size(),
            dnssec_ok: opt.dnssec_ok(),
        });
        Ok(())
    }
}

impl<'q> Question<'q> {
    fn read(
        bytes: &'q [u8],
        section: &mut QuestionSection<'_, &[u8]>,
    ) -> Result<Question<'q>, Broken> {
        let start = section.pos();
        let question = section.next().ok_or(Broken)??;
        // There is nothing before the first name that it could share.
        if question.qname().is_compressed() {
            return Err(Broken);
        }
        let mut name = Array::new();
        question.qname().compose_canonical(&mut name).map_err(|_| Broken)?;
        Ok(Question {
            wire: &bytes[start..section.pos()],
            rtype: question.qtype(),
            class: question.qclass(),
            labels: question.qname().label_count(),
            name,
        })
    }

    /// The name asked for.
    pub(crate) fn name(&self) -> Qname<'_> {
        Qname { wire: self.name.as_slice(), labels: self.labels }
    }
}

impl Qname<'_> {
    /// The name without its first label; None for the root.
    pub(crate) fn parent(self) -> Option<Self> {
        let (&length, rest) = self.wire.split_first()?;
        match length {
            0 => None,
            _ => Some(Qname { wire: &rest[usize::from(length)..], labels: self.labels - 1 }),
        }
    }
}
