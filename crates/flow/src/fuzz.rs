//! What strangers' bytes reach, as plain functions for a fuzzer: none may panic.

use bytes::BytesMut;

use crate::{Chunked, Decoded};

/// Chunked content: whatever is found in it was sent.
pub fn chunked(bytes: &[u8]) {
    let mut chunked = Chunked::default();
    let mut buffer = BytesMut::from(bytes);
    let mut found = 0;
    while let Ok(Decoded::Data(data)) = chunked.next(&mut buffer, 7) {
        assert!(!data.is_empty() && data.len() <= 7);
        found += data.len();
    }
    assert!(found <= bytes.len());
}

/// How the properties of this crate are tried: the same cases each time, so that a build is green or
/// red for a reason.
#[cfg(test)]
pub(crate) fn config() -> proptest::test_runner::Config {
    proptest::test_runner::Config {
        cases: 500,
        rng_seed: proptest::test_runner::RngSeed::Fixed(0x00da_5e1f),
        failure_persistence: None,
        ..Default::default()
    }
}
