//! The variables of a request: name, NUL, value, NUL … and a NUL at the very end. Pure.

/// Whether these are variables with a value each and a NUL at their end.
pub(crate) fn are_whole(payload: &[u8]) -> bool {
    let nuls = payload.iter().filter(|byte| **byte == 0).count();
    payload.last() == Some(&0) && nuls % 2 == 0
}

/// Each name and its value. What is not whole at the end is left out.
pub(crate) fn pairs(payload: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = payload;
    std::iter::from_fn(move || Some((part(&mut rest)?, part(&mut rest)?)))
}

/// The bytes before the next NUL.
fn part<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = memchr::memchr(0, rest)?;
    let (part, after) = (&rest[..end], &rest[end + 1..]);
    *rest = after;
    Some(part)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn variables_need_their_last_nul_and_a_value_each() {
        for broken in [&b"A\0b"[..], b"A\0", b"A\0b\0C\0", b""] {
            assert!(!are_whole(broken), "{broken:?}");
        }
        assert!(are_whole(b"A\0\0B\0\xe9\0"));
        let found: Vec<_> = pairs(b"A\0\0B\0\xe9\0").collect();
        assert_eq!(found, [(&b"A"[..], &b""[..]), (b"B", b"\xe9")]);
    }

    proptest! {
        #[test]
        fn whole_variables_are_found_to_the_last_byte(payload in "[A-C\0]{0,40}") {
            let payload = payload.as_bytes();
            prop_assume!(are_whole(payload));
            let again: Vec<u8> =
                pairs(payload).flat_map(|(name, value)| [name, b"\0", value, b"\0"].concat()).collect();
            prop_assert_eq!(again, payload);
        }
    }
}
