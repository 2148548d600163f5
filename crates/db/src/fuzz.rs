//! Fuzz targets: each takes any bytes and must neither panic nor hold more than a few hundred of
//! them.

use flow::{QUERY_TEXT_MAX, Query, Stamp};

use crate::relay::greeting::Agreed;
use crate::relay::mask::{self, Backslash, Extent};
use crate::relay::packet::Walker;
use crate::relay::watch::{Attention, Watch};

/// A client's bytes, walked whole and byte by byte: both must come to the same.
pub fn packets(bytes: &[u8]) {
    let admits = |user: &[u8]| user.first() != Some(&b'r');
    let whole = Walker::default().walk(bytes, admits);
    let mut walker = Walker::default();
    let single = bytes.iter().try_for_each(|byte| walker.walk(std::slice::from_ref(byte), admits));
    assert_eq!(whole, single, "the cut must not matter");
}

/// A talk, watched as it comes and byte by byte: both must see the same.
///
/// The first byte says what was agreed; then come pieces, each after a byte for its direction (the
/// lowest bit) and its length.
pub fn relay_watch(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    let agreed = Agreed { no_eof: first & 1 != 0, cached_columns: first & 2 != 0 };
    let mut whole = Watch::new(1, agreed, Stamp(1));
    let mut single = Watch::new(1, agreed, Stamp(1));
    let (mut told, mut told_single) = (Vec::new(), Vec::new());
    let mut rest = rest;
    while let Some((head, more)) = rest.split_first() {
        let (piece, more) = more.split_at(more.len().min(usize::from(head >> 1)));
        rest = more;
        deliver(&mut whole, head & 1, piece, &mut told);
        piece.chunks(1).for_each(|byte| deliver(&mut single, head & 1, byte, &mut told_single));
    }
    whole.closed(Stamp(3), &mut |query| told.push(query));
    single.closed(Stamp(3), &mut |query| told_single.push(query));
    assert_eq!(told, told_single, "the cut must not matter");
    assert_eq!(whole.is_lost(), single.is_lost(), "the cut must not matter");
    assert!(told.iter().all(|query| query.text.len() <= QUERY_TEXT_MAX), "{told:?}");
}

fn deliver(watch: &mut Watch, direction: u8, bytes: &[u8], told: &mut Vec<Query>) {
    match direction {
        0 => watch.sent(bytes, Stamp(2), Attention::Statements),
        _ => watch.answered(bytes, Stamp(2), &mut |query| told.push(query)),
    }
}

/// A statement, or an error's text, masked in every way: short, and fit for a terminal.
pub fn mask(bytes: &[u8]) {
    for extent in [Extent::Whole, Extent::Cut] {
        for backslash in [Backslash::Escapes, Backslash::Plain, Backslash::Unsure] {
            let text = mask::statement(bytes, extent, backslash);
            assert!(text.len() <= QUERY_TEXT_MAX && !text.contains(char::is_control), "{text:?}");
        }
        let text = mask::error(bytes, extent);
        assert!(text.len() <= QUERY_TEXT_MAX && !text.contains(char::is_control), "{text:?}");
    }
}
