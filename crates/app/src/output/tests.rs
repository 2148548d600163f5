//! Lines and their rate, in virtual time.

use proptest::prelude::*;

use super::*;

fn lines(pieces: &[&[u8]]) -> Vec<String> {
    let mut cutter = Lines::default();
    let mut seen = Vec::new();
    for piece in pieces {
        cutter.push(piece, |line| seen.push(line.to_owned()));
    }
    cutter.end(|line| seen.push(line.to_owned()));
    seen
}

#[test]
fn lines_are_found_across_pieces_and_at_the_end() {
    assert_eq!(lines(&[b"a\nb", b"c\r\n\n", b"d"]), ["a", "bc", "", "d"]);
}

#[test]
fn long_line_is_cut_and_the_next_is_whole() {
    let long = vec![b'x'; 20_000];
    let seen = lines(&[&long, b"\nnext\n"]);
    assert_eq!(seen[0].chars().count(), 8 * 1024 + 1);
    assert!(seen[0].ends_with("x…"));
    assert_eq!(seen[1], "next");
}

#[test]
fn bytes_that_are_no_text_are_replaced() {
    assert_eq!(lines(&[b"a\xffb\n"]), ["a\u{fffd}b"]);
}

#[test]
fn tail_keeps_the_last_twenty() {
    let tail = Tail::default();
    (0..30).for_each(|n| tail.push(&n.to_string()));
    let text = tail.text();
    assert!(text.starts_with("  10\n") && text.ends_with("\n  29"), "{text}");
}

#[test]
fn lines_above_the_rate_are_dropped_and_told_with_the_next() {
    let at = |ms: u64| Stamp(10_000_000_000 + ms * 1_000_000);
    let mut limiter = Limiter::new();
    assert!((0..1_000).all(|_| limiter.take(at(0)) == Verdict::Pass));
    assert!((0..7).all(|_| limiter.take(at(999)) == Verdict::Drop));
    assert_eq!(limiter.take(at(1_000)), Verdict::PassAfter(7));
    assert_eq!(limiter.take(at(1_001)), Verdict::Pass);
}

#[test]
fn drops_are_told_once_even_when_no_line_follows() {
    let at = |seconds: u64| Stamp(seconds * 1_000_000_000);
    let mut limiter = Limiter::new();
    (0..1_500).for_each(|_| {
        limiter.take(at(5));
    });
    assert_eq!(limiter.flush(at(5)), None, "the second is not over");
    assert_eq!(limiter.flush(at(6)), Some(500));
    assert_eq!(limiter.flush(at(7)), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_bytes_become_bounded_lines(bytes in proptest::collection::vec(any::<u8>(), 0..20_000)) {
        crate::fuzz::output(&bytes);
    }

    #[test]
    fn pieces_make_the_same_lines_as_the_whole(text in "[a\n\r]{0,60}", size in 1usize..9) {
        let pieces: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
        prop_assert_eq!(lines(&pieces), lines(&[text.as_bytes()]));
    }
}
