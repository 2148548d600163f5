//! The vectors of docs/worker-protocol.md, and properties of the codec.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const SPECIFICATION: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/worker-protocol.md"));

/// The fields of each ```vector block.
fn vectors() -> Vec<BTreeMap<String, String>> {
    let blocks = SPECIFICATION.split("```vector\n").skip(1);
    blocks.map(|block| fields(block.split("```").next().unwrap())).collect()
}

/// Lines of `name: value`; a line that starts with a space goes on with the one before it.
fn fields(block: &str) -> BTreeMap<String, String> {
    let mut fields: BTreeMap<String, String> = BTreeMap::new();
    let mut last = String::new();
    for line in block.lines() {
        match line.split_once(": ").filter(|_| !line.starts_with(' ')) {
            Some((name, value)) => {
                last = name.to_string();
                fields.insert(last.clone(), value.to_string());
            }
            None => fields.get_mut(&last).unwrap().push_str(line),
        }
    }
    fields
}

fn hexadecimal(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap())
        .collect()
}

/// `a=1 b=2` as name, NUL, value, NUL; only the first `=` parts name from value.
fn pairs(text: &str) -> Bytes {
    let pairs = text.split(' ').map(|pair| pair.split_once('=').unwrap());
    pairs.flat_map(|(name, value)| [name, "\0", value, "\0"]).collect::<String>().into()
}

fn frame_of(vector: &BTreeMap<String, String>) -> Frame {
    let text = |name: &str| vector.get(name).cloned().unwrap_or_default();
    let number = |name: &str| text(name).parse::<u64>().unwrap();
    let stream = number("stream") as u32;
    match text("type").as_str() {
        "HELLO" => Frame::Hello {
            version: number("version") as u16,
            concurrency: number("concurrency") as u16,
            pid: number("pid") as u32,
        },
        "REQUEST" => Frame::Request {
            stream,
            content: match text("flags").as_str() {
                "NO_CONTENT" => Content::None,
                _ => Content::Follows,
            },
            variables: pairs(&text("variables")),
        },
        "RESPONSE" => Frame::Response {
            stream,
            started: Stamp(number("started")),
            status: number("status") as u16,
            head: pairs(&text("head")),
            content: text("content").into(),
        },
        "DATA" => Frame::Data { stream, content: text("content").into() },
        "END" => {
            let ended = vector.get("ended").map(|ended| Stamp(ended.parse().unwrap()));
            Frame::End { stream, ended }
        }
        "ABORT" => Frame::Abort {
            stream,
            started: Stamp(number("started")),
            ended: Stamp(number("ended")),
            reason: text("reason"),
        },
        "GOAWAY" => Frame::GoAway { last: number("last") as u32 },
        "ASIDE" => Frame::Aside { stream },
        "CREDIT" => Frame::Credit { stream, bytes: number("credit") as u32 },
        other => panic!("unknown type {other}"),
    }
}

#[test]
fn the_specification_s_vectors_hold_in_both_directions() {
    let vectors = vectors();
    assert!(vectors.len() >= 8, "the page holds its vectors");
    for vector in vectors {
        let (frame, bytes) = (frame_of(&vector), hexadecimal(&vector["bytes"]));
        let mut out = BytesMut::new();
        encode(&frame, &mut out);
        assert_eq!(out, bytes, "encoding: {}", vector["name"]);
        assert_eq!(decode(&mut out).unwrap(), Some(frame), "decoding: {}", vector["name"]);
        assert!(out.is_empty());
    }
}

#[test]
fn frames_of_a_wrong_shape_are_errors() {
    let broken: [&[u8]; 6] = [
        &[0, 2, 0, 1, 4, 0, 0, 0, 0, 0, 0, 1], // DATA longer than 128 KiB
        &[0, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 1], // type 10
        &[0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0], // HELLO without fields
        &[0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0], // DATA on stream 0
        &[0, 0, 0, 1, 5, 0, 0, 0, 0, 0, 0, 1, 0], // END with one byte
        &[0, 0, 0, 3, 7, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0], // CREDIT with three bytes
    ];
    for bytes in broken {
        assert!(decode(&mut BytesMut::from(bytes)).is_err(), "{bytes:?}");
    }
    let mut head_too_long = BytesMut::new();
    header(&mut head_too_long, 14, RESPONSE, 0, 1);
    head_too_long.put_slice(&[0, 0, 0, 0, 0, 0, 0, 1, 0, 200, 0, 0, 0, 1]);
    assert_eq!(decode(&mut head_too_long), Err(WireError::Malformed("RESPONSE")));
}

fn any_frame() -> impl Strategy<Value = Frame> {
    let content = || proptest::collection::vec(any::<u8>(), 0..300).prop_map(Bytes::from);
    let stream = 1..=u32::MAX;
    prop_oneof![
        (any::<u16>(), any::<u16>(), any::<u32>())
            .prop_map(|(version, concurrency, pid)| Frame::Hello { version, concurrency, pid }),
        (stream.clone(), any::<bool>(), content()).prop_map(|(stream, none, variables)| {
            let content = if none { Content::None } else { Content::Follows };
            Frame::Request { stream, content, variables }
        }),
        (stream.clone(), any::<u64>(), any::<u16>(), content(), content()).prop_map(
            |(stream, started, status, head, content)| Frame::Response {
                stream,
                started: Stamp(started),
                status,
                head,
                content
            }
        ),
        (stream.clone(), content()).prop_map(|(stream, content)| Frame::Data { stream, content }),
        (stream.clone(), any::<Option<u64>>())
            .prop_map(|(stream, ended)| Frame::End { stream, ended: ended.map(Stamp) }),
        (stream.clone(), "[a-z ]{0,80}").prop_map(|(stream, reason)| Frame::abort(stream, &reason)),
        (stream.clone(), any::<u32>()).prop_map(|(stream, bytes)| Frame::Credit { stream, bytes }),
        stream.prop_map(|stream| Frame::Aside { stream }),
        any::<u32>().prop_map(|last| Frame::GoAway { last }),
    ]
}

proptest! {
    #[test]
    fn frames_survive_any_split(
        frames in proptest::collection::vec(any_frame(), 1..8),
        cut in 1usize..64,
    ) {
        let mut bytes = BytesMut::new();
        frames.iter().for_each(|frame| encode(frame, &mut bytes));
        let (mut arrived, mut read) = (BytesMut::new(), Vec::new());
        for piece in bytes.chunks(cut) {
            arrived.extend_from_slice(piece);
            while let Some(frame) = decode(&mut arrived).unwrap() {
                read.push(frame);
            }
        }
        prop_assert_eq!(read, frames);
        prop_assert!(arrived.is_empty());
    }

    #[test]
    fn no_bytes_panic_the_decoder(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        crate::fuzz::frames(&bytes);
    }
}
