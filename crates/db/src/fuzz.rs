//! Fuzz targets: each takes any bytes and must neither panic nor hold more than a few hundred of
//! them.

use crate::relay::packet::Walker;

/// A client's bytes, walked whole and byte by byte: both must come to the same.
pub fn packets(bytes: &[u8]) {
    let admits = |user: &[u8]| user.first() != Some(&b'r');
    let whole = Walker::default().walk(bytes, admits);
    let mut walker = Walker::default();
    let single = bytes.iter().try_for_each(|byte| walker.walk(std::slice::from_ref(byte), admits));
    assert_eq!(whole, single, "the cut must not matter");
}
