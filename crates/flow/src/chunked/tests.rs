//! Chunks, whole and in pieces.

use proptest::prelude::*;

use super::*;

/// What comes of the bytes when they arrive in these pieces: the content, whether it ended, and
/// what was left behind it.
fn decode(pieces: &[&[u8]], room: usize) -> Result<(Vec<u8>, bool, Vec<u8>), NotChunked> {
    let mut chunked = Chunked::default();
    let (mut buffer, mut content) = (BytesMut::new(), Vec::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        while let Decoded::Data(data) = chunked.next(&mut buffer, room)? {
            content.extend_from_slice(&data);
        }
    }
    Ok((content, chunked.is_done(), buffer.to_vec()))
}

#[test]
fn extensions_and_trailers_leave_no_trace() {
    let bytes =
        b"5;a=b;c=\"d e\"\r\nhello\r\n00A \t;x\r\n, everyone\r\n0\r\nX: y\r\nZ:\r\n\r\nnext";
    let (content, done, rest) = decode(&[bytes], usize::MAX).unwrap();
    assert_eq!((&content[..], done, &rest[..]), (&b"hello, everyone"[..], true, &b"next"[..]));
}

#[test]
fn no_room_takes_nothing_and_loses_nothing() {
    let mut chunked = Chunked::default();
    let mut buffer = BytesMut::from("3\r\nabc\r\n0\r\n\r\n");
    assert_eq!(chunked.next(&mut buffer, 0), Ok(Decoded::More));
    assert_eq!(chunked.next(&mut buffer, 9), Ok(Decoded::Data("abc".into())));
    assert_eq!(chunked.next(&mut buffer, 0), Ok(Decoded::End));
}

#[test]
fn what_breaks_the_grammar_is_refused() {
    for bytes in [
        "\r\n",
        "g\r\n",
        "-5\r\n",
        "+5\r\n",
        "0x5\r\n",
        " 5\r\n",
        "5 \r\nhello",
        "5\nhello",
        "5\r5",
        "5;\nhello",
        "5;a\0\r\n",
        "5\r\nhelloX",
        "5\r\nhello\n",
        "5\r\nhello\rX",
        "0\r\n X: y\r\n\r\n",
        "0\r\nX\r\n\r\n",
        "0\r\nX : y\r\n\r\n",
        "0\r\nX: a\nb\r\n",
        "0\r\n\n",
        "0\r\n\rX",
        "11111111111111111\r\n",
        "00000000000000005\r\n",
    ] {
        assert!(decode(&[bytes.as_bytes()], 99).is_err(), "{bytes:?}");
    }
    let endless = format!("1;{}", "a".repeat(OVERHEAD_BYTES_MAX - 1));
    assert!(decode(&[endless.as_bytes()], 99).is_ok());
    assert!(decode(&[endless.as_bytes(), b"a"], 99).is_err());
    let trickle = format!("1;{}\r\na\r\n", "a".repeat(100)).repeat(200);
    assert!(decode(&[trickle.as_bytes()], 99).is_err(), "the limit counts all chunks together");
}

/// Chunked content, mostly well formed.
fn chunks() -> impl Strategy<Value = Vec<u8>> {
    let chunk = (proptest::collection::vec(any::<u8>(), 1..40), "(;[a-z=\"]{0,8})?", 0..40usize);
    proptest::collection::vec(chunk, 0..6).prop_map(|chunks| {
        let mut bytes = Vec::new();
        for (data, extension, bad) in chunks {
            let end = if bad == 0 { "\n" } else { "\r\n" };
            bytes.extend_from_slice(format!("{:X}{extension}{end}", data.len()).as_bytes());
            bytes.extend_from_slice(&data);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\nTrailer: x\r\n\r\nafter");
        bytes
    })
}

proptest! {
    #![proptest_config(crate::fuzz::config())]

    #[test]
    fn the_content_does_not_depend_on_how_it_is_split(
        bytes in chunks(),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..12),
        room in 1..50usize,
    ) {
        let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        places.extend([0, bytes.len()]);
        places.sort_unstable();
        let pieces: Vec<&[u8]> = places.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();
        prop_assert_eq!(decode(&pieces, room), decode(&[&bytes], usize::MAX));
    }

    #[test]
    fn no_bytes_panic_the_decoder(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        crate::fuzz::chunked(&bytes);
    }

    #[test]
    fn nothing_like_chunks_panics_the_decoder(text in "[0-9a-fA-F;\r\n: X]{0,100}") {
        crate::fuzz::chunked(text.as_bytes());
    }
}
