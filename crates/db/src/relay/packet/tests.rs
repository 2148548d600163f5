//! The walker against a plain reading of the whole conversation, cut in every way.

use super::*;
use proptest::prelude::*;

fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_le_bytes();
    [&[length[0], length[1], length[2], sequence], payload].concat()
}

fn walk(walker: &mut Walker, bytes: &[u8]) -> Result<(), Refused> {
    walker.walk(bytes, |user| user == b"shop")
}

/// Walks `bytes` piece by piece; `cuts` are the lengths of the pieces, used in a circle.
fn walk_in_pieces(bytes: &[u8], cuts: &[usize]) -> Result<(), Refused> {
    let mut walker = Walker::default();
    let mut rest = bytes;
    for cut in cuts.iter().cycle() {
        let (now, later) = rest.split_at((*cut).clamp(1, rest.len().max(1)).min(rest.len()));
        walk(&mut walker, now)?;
        rest = later;
        if rest.is_empty() {
            break;
        }
    }
    Ok(())
}

fn refused(user: &[u8]) -> Result<(), Refused> {
    Err(Refused { user: user.to_vec() })
}

#[test]
fn a_change_of_user_is_judged_however_it_is_cut() {
    let query = packet(0, b"\x03SELECT 1");
    for (user, expected) in
        [(&b"shop\0"[..], Ok(())), (b"root\0", refused(b"root")), (b"\0", refused(b""))]
    {
        let change = packet(0, &[b"\x11", user, b"\x14scramble"].concat());
        let bytes = [query.clone(), change, query.clone()].concat();
        for cut in 1..bytes.len() {
            assert_eq!(walk_in_pieces(&bytes, &[cut]), expected, "{cut}");
        }
    }
}

#[test]
fn a_name_ends_with_its_packet_too() {
    assert_eq!(walk_in_pieces(&packet(0, b"\x11shop"), &[3]), Ok(()));
    assert_eq!(walk_in_pieces(&packet(0, b"\x11root"), &[3]), refused(b"root"));
    assert_eq!(walk_in_pieces(&packet(0, b"\x11"), &[9]), refused(b""));
}

#[test]
fn a_refused_change_never_reaches_the_server_whole() {
    let change = packet(0, b"\x11root\0");
    let mut walker = Walker::default();
    let handed_on = change.iter().take_while(|byte| walk(&mut walker, &[**byte]).is_ok()).count();
    assert!(handed_on < change.len());
}

#[test]
fn what_only_looks_like_a_change_of_user_passes() {
    let answers = packet(3, b"\x11root\0");
    assert_eq!(walk_in_pieces(&answers, &[1]), Ok(()), "a step of authentication");
    let inside = packet(0, &[b"\x03", &packet(0, b"\x11root\0")[..]].concat());
    assert_eq!(walk_in_pieces(&inside, &[1]), Ok(()), "the text of a query");
    let empty = [packet(4, b""), packet(0, b"\x11root\0")].concat();
    assert_eq!(walk_in_pieces(&empty, &[1]), refused(b"root"), "after an empty packet");
}

#[test]
fn a_query_beyond_16_mib_is_one_command() {
    let mut long = vec![b'x'; PAYLOAD_BYTES_MAX];
    long[0] = 0x03;
    let bytes = [packet(0, &long), packet(1, b"\x11root\0"), packet(0, b"\x11shop\0")].concat();
    assert_eq!(walk_in_pieces(&bytes, &[16 * 1024]), Ok(()));
    // The continuation may be of the number 0 and may be empty; only then comes the next command.
    let bytes = [packet(0, &long), packet(0, b""), packet(0, b"\x11root\0")].concat();
    assert_eq!(walk_in_pieces(&bytes, &[16 * 1024]), refused(b"root"));
}

#[test]
fn an_endless_name_is_refused_at_its_limit() {
    let bytes = packet(0, &[&b"\x11"[..], &[b'a'; 100_000]].concat());
    let Err(Refused { user }) = walk_in_pieces(&bytes, &[7]) else { panic!("it must be refused") };
    assert_eq!(user.len(), USER_BYTES_MAX);
}

#[test]
fn an_error_packet_has_its_length_code_and_state() {
    assert_eq!(refusal(2, 1045, "28000", "no"), b"\x0b\0\0\x02\xff\x15\x04#28000no");
    let denied = denied(1, b"ro\not\xff");
    let text = String::from_utf8_lossy(&denied);
    assert!(text.contains("user 'root\u{fffd}'@'localhost'"), "{text}");
}

/// What the walker should find, read from whole packets.
fn plain_reading(packets: &[(u8, Vec<u8>)]) -> Result<(), Refused> {
    for (sequence, payload) in packets {
        if let (0, Some((0x11, rest))) = (sequence, payload.split_first()) {
            let user = rest.split(|byte| *byte == 0).next().unwrap_or_default();
            if user != b"shop" {
                return refused(&user[..user.len().min(USER_BYTES_MAX)]);
            }
        }
    }
    Ok(())
}

fn packets() -> impl Strategy<Value = Vec<(u8, Vec<u8>)>> {
    let user = prop_oneof![Just(b"shop".to_vec()), proptest::collection::vec(any::<u8>(), 0..300)];
    let change = user.prop_map(|user| [b"\x11", &user[..], b"\0\x14scramble"].concat());
    let other = proptest::collection::vec(any::<u8>(), 0..40);
    let payload = prop_oneof![1 => change, 4 => other];
    proptest::collection::vec((0u8..3, payload), 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_result_is_the_same_however_bytes_are_cut(
        packets in packets(),
        cuts in proptest::collection::vec(1usize..50, 1..6),
    ) {
        let bytes: Vec<u8> = packets.iter().flat_map(|(n, payload)| packet(*n, payload)).collect();
        prop_assert_eq!(walk_in_pieces(&bytes, &cuts), plain_reading(&packets));
    }

    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        crate::fuzz::packets(&bytes);
    }
}
