//! Ranges against a file of ten bytes.

use proptest::prelude::*;

use super::*;

#[test]
fn one_range_is_honoured_within_the_file() {
    for (value, part) in [
        ("bytes=0-0", 0..1),
        ("bytes=0-9", 0..10),
        ("bytes=5-99", 5..10),
        ("bytes=9-", 9..10),
        ("bytes=-1", 9..10),
        ("bytes=-99", 0..10),
        ("Bytes=2-3", 2..4),
        ("bytes=0-99999999999999999999999", 0..10),
    ] {
        assert_eq!(asked(value.as_bytes(), 10), Asked::Part(part), "{value}");
    }
}

#[test]
fn bytes_that_are_not_there_can_not_be_had() {
    for value in ["bytes=10-", "bytes=10-20", "bytes=-0", "bytes=99999999999999999999999-"] {
        assert_eq!(asked(value.as_bytes(), 10), Asked::Unsatisfiable, "{value}");
    }
    assert_eq!(asked(b"bytes=0-", 0), Asked::Unsatisfiable);
    assert_eq!(asked(b"bytes=-5", 0), Asked::Unsatisfiable);
}

#[test]
fn what_is_not_understood_means_everything() {
    for value in [
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        "bytes=5-2",
        "bytes=+1-2",
        "lines=1-2",
        "bytes=0-1,3-4",
    ] {
        assert_eq!(asked(value.as_bytes(), 10), Asked::Whole, "{value}");
    }
}

proptest! {
    #![proptest_config(crate::fuzz::config())]

    #[test]
    fn a_part_is_never_empty_and_always_within(value in "(bytes=)?[0-9,= -]{0,25}") {
        crate::fuzz::range(value.as_bytes());
    }

    #[test]
    fn no_bytes_panic_it(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        crate::fuzz::range(&bytes);
    }
}
