//! Golden scripts: each file in `tests/scripts` is a conversation with a server.
//!
//! ```text
//! serial 7                                        the settings
//! site www.foobar.com foobar.com = 8.8.8.8
//!
//! # RFC 1035 §4.1.1: "…"                          the sentence that a step tests
//! ? www.foobar.com A +rd edns=1232                the query
//! NOERROR qr aa rd                                the answer, as far as it can be told in text
//! ; www.foobar.com. IN A
//! answer www.foobar.com. 60 IN A 8.8.8.8
//! ```
//! Words of a query after name and type: a class; `tcp`; `+qr +aa +tc +rd +ra +z +ad +cd` header
//! flags; `opcode=N`; `qdcount=N`; `edns=SIZE`, and with it `version=N`, `flags=HEX`, `rdata=HEX`,
//! `opt-owner=NAME`, `opts=N`; `tail=HEX` bytes after the message. `? hex BYTES` is a message byte
//! by byte. Sections of more than eight records are cut short. `UPDATE_SCRIPTS=1 cargo test` writes
//! the answers given now into the files; read the difference before believing it.

#![allow(clippy::unwrap_used, reason = "all of this file is a test")]

use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::Path;

use davy_dns::{Names, Settings, Transport, Zones, answer};
use domain::base::iana::Class;
use domain::base::message::RecordSection;
use domain::base::{Message, Name, Rtype};
use domain::rdata::AllRecordData;

const FLAGS: [(&str, u16); 8] = [
    ("qr", 1 << 15),
    ("aa", 1 << 10),
    ("tc", 1 << 9),
    ("rd", 1 << 8),
    ("ra", 1 << 7),
    ("z", 1 << 6),
    ("ad", 1 << 5),
    ("cd", 1 << 4),
];

#[test]
fn scripts_are_answered_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let mut steps = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let (replayed, count) = replay(&text);
        steps += count;
        if std::env::var_os("UPDATE_SCRIPTS").is_some() {
            std::fs::write(&path, replayed).unwrap();
        } else {
            assert_eq!(text, replayed, "{} (left: as written)", path.display());
        }
    }
    assert!(steps >= 30, "only {steps} steps were found");
}

/// The script with the answers given now, and how many steps it has.
fn replay(text: &str) -> (String, usize) {
    let mut blocks = text.trim_end().split("\n\n");
    let first = blocks.next().expect("a script starts with its settings");
    let zones = Zones::new(&settings(first)).unwrap();
    let mut replayed = vec![first.to_owned()];
    for block in blocks {
        let asked = block.lines().find(|line| line.starts_with("? ")).expect(block);
        let (head, _) = block.split_once(asked).expect("the line was found in the block");
        assert!(head.contains("RFC") && head.contains('"'), "what does this test?\n{block}");
        replayed.push(format!("{head}{asked}\n{}", conversation(&zones, &asked[2..])));
    }
    (replayed.join("\n\n") + "\n", replayed.len() - 1)
}

fn settings(block: &str) -> Settings {
    let mut settings = Settings::default();
    for line in block.lines().filter(|line| !line.starts_with('#')) {
        match line.split_once(' ').expect(line) {
            ("serial", serial) => settings.serial = serial.parse().unwrap(),
            ("site", site) => settings.sites.push(names(site)),
            _ => panic!("what is `{line}`?"),
        }
    }
    settings
}

fn names(site: &str) -> Names {
    let (names, addresses) = site.split_once(" = ").expect(site);
    let mut names = names.split(' ').map(str::to_owned);
    let mut all = Vec::new();
    for address in addresses.split(' ') {
        // 10.0.0.1..100 are the addresses from 10.0.0.1 to 10.0.0.100.
        let (first, last) = address.split_once("..").unwrap_or((address, ""));
        match last.parse::<u8>() {
            Ok(last) => all.extend((1..=last).map(|n| IpAddr::from([10, 0, 0, n]))),
            Err(_) => all.push(first.parse().unwrap()),
        }
    }
    Names { domain: names.next().unwrap(), aliases: names.collect(), addresses: all }
}

/// What the server says to a query.
fn conversation(zones: &Zones, asked: &str) -> String {
    let transport = match asked.split(' ').any(|word| word == "tcp") {
        true => Transport::Tcp,
        false => Transport::Udp,
    };
    let query = match asked.strip_prefix("hex ") {
        Some(hex) => bytes(hex),
        None => query(asked),
    };
    let mut into = Vec::new();
    match answer(zones, &query, transport, &mut into) {
        Some(_) => text(&query, &into),
        None => "silence".to_owned(),
    }
}

fn query(asked: &str) -> Vec<u8> {
    let mut words = asked.split(' ');
    let name: Name<Vec<u8>> = words.next().unwrap().parse().unwrap();
    let rtype: Rtype = words.next().expect("a query has a type").parse().unwrap();
    let (mut class, mut flags, mut qdcount) = (Class::IN, 0, 1);
    let (mut opt, mut opts, mut tail) = (None, 1, Vec::new());
    for word in words {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        match key {
            "tcp" => {}
            "opcode" => flags |= value.parse::<u16>().unwrap() << 11,
            "qdcount" => qdcount = value.parse().unwrap(),
            "opts" => opts = value.parse().unwrap(),
            "tail" => tail = bytes(value),
            "edns" => opt = Some(Opt { size: value.parse().unwrap(), ..Opt::default() }),
            "version" | "flags" | "rdata" | "opt-owner" => {
                opt.as_mut().expect("edns=SIZE comes first").set(key, value);
            }
            _ if key.starts_with('+') => flags |= flag(&key[1..]),
            _ => class = key.parse().unwrap(),
        }
    }
    let arcount = if opt.is_some() { opts } else { 0 };
    let header = [0xABCD, flags, qdcount, 0, 0, arcount];
    let mut query: Vec<u8> = header.iter().flat_map(|field| field.to_be_bytes()).collect();
    query.extend(name.as_slice());
    query.extend(rtype.to_int().to_be_bytes());
    query.extend(class.to_int().to_be_bytes());
    opt.into_iter().for_each(|opt| query.extend(opt.wire().repeat(arcount.into())));
    query.extend(tail);
    query
}

/// An OPT record to be sent.
#[derive(Default)]
struct Opt {
    owner: Vec<u8>,
    size: u16,
    version: u8,
    flags: u16,
    rdata: Vec<u8>,
}

impl Opt {
    fn set(&mut self, key: &str, value: &str) {
        match key {
            "version" => self.version = value.parse().unwrap(),
            "flags" => self.flags = u16::from_str_radix(value, 16).unwrap(),
            "rdata" => self.rdata = bytes(value),
            _ => self.owner = value.parse::<Name<Vec<u8>>>().unwrap().into_octets(),
        }
    }

    fn wire(&self) -> Vec<u8> {
        let mut wire = if self.owner.is_empty() { vec![0] } else { self.owner.clone() };
        wire.extend([0, 41]);
        wire.extend(self.size.to_be_bytes());
        wire.extend([0, self.version]);
        wire.extend(self.flags.to_be_bytes());
        wire.extend(u16::try_from(self.rdata.len()).unwrap().to_be_bytes());
        wire.extend(&self.rdata);
        wire
    }
}

fn flag(name: &str) -> u16 {
    FLAGS.iter().find(|(it, _)| *it == name).unwrap_or_else(|| panic!("no flag is {name}")).1
}

fn bytes(hex: &str) -> Vec<u8> {
    let hex: Vec<u8> = hex.bytes().filter(|byte| *byte != b' ').collect();
    let pairs = hex.chunks(2).map(|pair| str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

/// An answer in text.
fn text(query: &[u8], answer: &[u8]) -> String {
    let message = Message::from_octets(answer).unwrap();
    assert_eq!(answer[..2], query[..2], "the id comes back");
    let bits = u16::from_be_bytes([answer[2], answer[3]]);
    let mut text = message.opt_rcode().to_string();
    for (name, _) in FLAGS.iter().filter(|(_, bit)| bits & bit != 0) {
        write!(text, " {name}").unwrap();
    }
    if bits >> 11 & 0xF != 0 {
        write!(text, ", opcode {}", bits >> 11 & 0xF).unwrap();
    }
    if let Some(opt) = message.opt() {
        let flags = if opt.dnssec_ok() { " do" } else { "" };
        let (version, size) = (opt.version(), opt.udp_payload_size());
        write!(text, "\nopt version {version}, {size} bytes{flags}").unwrap();
    }
    for question in message.question() {
        let question = question.unwrap();
        let (name, class, rtype) = (question.qname(), question.qclass(), question.qtype());
        write!(text, "\n; {name}. {class} {rtype}").unwrap();
    }
    section(&mut text, "answer", message.answer().unwrap());
    section(&mut text, "authority", message.authority().unwrap());
    section(&mut text, "additional", message.additional().unwrap());
    text
}

fn section(text: &mut String, name: &str, records: RecordSection<'_, &[u8]>) {
    let records: Vec<_> = records.map(Result::unwrap).collect();
    let records: Vec<_> = records.iter().filter(|it| it.rtype() != Rtype::OPT).collect();
    let shown = if records.len() > 8 { 1 } else { records.len() };
    for record in &records[..shown] {
        let (ttl, class, rtype) = (record.ttl().as_secs(), record.class(), record.rtype());
        let data = record.to_any_record::<AllRecordData<_, _>>().unwrap().into_data();
        write!(text, "\n{name} {}. {ttl} {class} {rtype} {data}", record.owner()).unwrap();
    }
    if records.len() > shown {
        write!(text, "\n{name} … and {} more", records.len() - shown).unwrap();
    }
}
