//! What strangers' bytes reach first, as plain functions for a fuzzer: none may panic.

use std::sync::LazyLock;

use crate::Settings;
use crate::files::{path, range};
use crate::h1::head::{Head, Scan};

/// Heads: what is found whole is read, and can be handed on.
pub fn head(bytes: &[u8]) {
    static SETTINGS: LazyLock<Settings> = LazyLock::new(Settings::default);
    if let Ok(Some(end)) = Scan::default().end(bytes, &SETTINGS)
        && let Ok(head) = Head::parse(&bytes[..end], &SETTINGS)
    {
        assert!(head.target().starts_with('/') || head.target() == "*");
        assert!(head.parts().is_ok_and(|parts| !parts.headers.contains_key("connection")));
        let _ = path::normalise(head.path());
    }
}

/// Ranges: a part is never empty and always within the file.
pub fn range(bytes: &[u8]) {
    for size in [0, 1, 10, u64::MAX] {
        if let range::Asked::Part(part) = range::asked(bytes, size) {
            assert!(part.start < part.end && part.end <= size);
        }
    }
}

/// Paths: what is left has no dot segment, empty segment, NUL or backslash.
pub fn path(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Some(path) = path::normalise(text) else { return };
    let mut segments = path.split(|&byte| byte == b'/');
    assert_eq!(segments.next(), Some(&b""[..]), "it starts with a slash");
    let segments: Vec<&[u8]> = segments.collect();
    let (_, folders) = segments.split_last().expect("a path has a last segment");
    assert!(folders.iter().all(|segment| !segment.is_empty()));
    assert!(segments.iter().all(|segment| ![&b"."[..], b".."].contains(segment)));
    assert!(!path.contains(&0) && !path.contains(&b'\\'));
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
