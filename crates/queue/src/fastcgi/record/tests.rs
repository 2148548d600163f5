//! Golden bytes after the specification of FastCGI 1.0, and properties of the codec.

use proptest::prelude::*;

use super::*;

/// What PHP sees: records by type and content, with the headers checked.
fn records(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        assert_eq!([bytes[0], bytes[2], bytes[3], bytes[7]], [1, 0, 1, 0], "version, id, reserved");
        let length = usize::from(u16::from_be_bytes([bytes[4], bytes[5]]));
        let end = HEADER_BYTES + length;
        found.push((bytes[1], bytes[HEADER_BYTES..end].to_vec()));
        bytes = &bytes[end + usize::from(bytes[6])..];
    }
    found
}

/// Pairs of one record, by FastCGI §3.4.
fn pairs(mut bytes: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let length = |bytes: &mut &[u8]| {
        if bytes[0] < 0x80 {
            return usize::from(bytes.get_u8());
        }
        (bytes.get_u32() & 0x7fff_ffff) as usize
    };
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let (name, value) = (length(&mut bytes), length(&mut bytes));
        found.push((bytes[..name].to_vec(), bytes[name..name + value].to_vec()));
        bytes = &bytes[name + value..];
    }
    found
}

fn encoded(variables: &[u8]) -> BytesMut {
    let mut out = BytesMut::new();
    encode_request(&[variables], &mut out);
    out
}

#[test]
fn a_request_is_these_bytes() {
    let mut out = encoded(b"REQUEST_METHOD\0POST\0EMPTY\0\0");
    encode_content(b"a=1", &mut out);
    encode_end(&mut out);
    let expected = [
        &b"\x01\x01\0\x01\0\x08\0\0\0\x01\x01\0\0\0\0\0"[..],
        b"\x01\x04\0\x01\0\x1b\0\0\x0e\x04REQUEST_METHODPOST\x05\0EMPTY",
        b"\x01\x04\0\x01\0\0\0\0",
        b"\x01\x05\0\x01\0\x03\0\0a=1",
        b"\x01\x05\0\x01\0\0\0\0",
    ];
    assert_eq!(out, expected.concat());
}

#[test]
fn a_request_without_variables_has_one_empty_record_of_them() {
    let types: Vec<u8> = records(&encoded(b"")).iter().map(|(kind, _)| *kind).collect();
    assert_eq!(types, [BEGIN_REQUEST, PARAMS]);
}

#[test]
fn a_long_value_has_a_length_of_four_bytes() {
    let value = "v".repeat(300);
    let found = records(&encoded(format!("n\0{value}\0").as_bytes()));
    assert_eq!(&found[1].1[..5], b"\x01\x80\0\x01\x2c");
}

#[test]
fn php_is_read_by_these_bytes() {
    let mut bytes = BytesMut::from(
        &b"\x01\x07\0\x01\0\x03\x05\0why12345\x01\x06\0\x01\0\x02\0\0ok\
           \x01\x03\0\x01\0\x08\0\0\0\0\0\x09\0abc\x01\x03\0\x01\0\x08\0\0\0\0\0\0\x02abc\x01"[..],
    );
    let mut next = || decode(&mut bytes).unwrap();
    assert_eq!(next(), Some(Record::Stderr(Bytes::from_static(b"why"))));
    assert_eq!(next(), Some(Record::Stdout(Bytes::from_static(b"ok"))));
    assert_eq!(next(), Some(Record::End(Ended::Complete)), "whatever the exit code is");
    assert_eq!(next(), Some(Record::End(Ended::Refused(2))));
    assert_eq!(next(), None);
}

#[test]
fn what_php_never_sends_is_refused() {
    let refused = |bytes: &[u8]| decode(&mut BytesMut::from(bytes)).unwrap_err();
    assert_eq!(refused(b"HTTP/1.1 200 OK"), RecordError::Version(b'H'));
    assert_eq!(refused(b"\x01\x0b\0\0\0\x08\0\0"), RecordError::OutOfPlace(11));
    assert_eq!(refused(b"\x01\x06\0\x07\0\0\0\0"), RecordError::Stranger(7));
    assert_eq!(refused(b"\x01\x03\0\x01\0\x01\0\0x"), RecordError::Malformed);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn variables_arrive_whole_and_no_pair_lies_in_two_records(
        lengths in proptest::collection::vec((1..40_usize, 0..9000_usize), 0..24),
    ) {
        let variables: Vec<_> =
            lengths.into_iter().map(|(name, value)| ("N".repeat(name), "v".repeat(value))).collect();
        let flat: String = variables.iter().map(|(n, v)| format!("{n}\0{v}\0")).collect();
        let found = records(&encoded(flat.as_bytes()));
        prop_assert_eq!(found.first().map(|record| record.0), Some(BEGIN_REQUEST));
        prop_assert_eq!(found.last(), Some(&(PARAMS, Vec::new())));
        prop_assert!(found.iter().all(|(_, content)| content.len() <= CONTENT_BYTES_MAX));
        // An empty one before the last would be the end to PHP.
        let between = &found[1..found.len() - 1];
        prop_assert!(between.iter().all(|(kind, content)| *kind == PARAMS && !content.is_empty()));
        let arrived: Vec<_> = between.iter().flat_map(|(_, content)| pairs(content)).collect();
        let sent: Vec<_> =
            variables.into_iter().map(|(n, v)| (n.into_bytes(), v.into_bytes())).collect();
        prop_assert_eq!(arrived, sent);
    }

    #[test]
    fn content_arrives_whole(length in 0..200_000_usize, step in 1..251_u8) {
        let content: Vec<u8> =
            (0..length).scan(0u8, |at, _| Some(std::mem::replace(at, at.wrapping_add(step)))).collect();
        let mut out = BytesMut::new();
        encode_content(&content, &mut out);
        let found = records(&out);
        prop_assert!(found.iter().all(|(kind, piece)| *kind == STDIN && !piece.is_empty()));
        let arrived: Vec<u8> = found.into_iter().flat_map(|(_, piece)| piece).collect();
        prop_assert_eq!(arrived, content);
    }

    #[test]
    fn records_are_the_same_however_they_are_cut(
        contents in proptest::collection::vec((any::<bool>(), "[a-z]{0,40}", 0..8_usize), 1..8),
        cut in 1..30_usize,
    ) {
        let mut whole = Vec::new();
        for (to_stdout, content, padding) in &contents {
            let kind = if *to_stdout { STDOUT } else { STDERR };
            whole.extend([1, kind, 0, 1, 0, content.len() as u8, *padding as u8, 0]);
            whole.extend(content.bytes().chain(std::iter::repeat_n(0xff, *padding)));
        }
        let (mut bytes, mut found) = (BytesMut::new(), Vec::new());
        for piece in whole.chunks(cut) {
            bytes.extend_from_slice(piece);
            while let Some(record) = decode(&mut bytes).unwrap() {
                found.push(record);
            }
        }
        let expected: Vec<_> = contents.into_iter().map(|(to_stdout, content, _)| {
            let content = Bytes::from(content);
            if to_stdout { Record::Stdout(content) } else { Record::Stderr(content) }
        }).collect();
        prop_assert_eq!(found, expected);
    }
}
