//! The first two packets of a connection: the server's greeting and the client's answer to it.
//!
//! ```text
//! greeting: 10 | version NUL | id 4 | salt 8 | 0 | capabilities 2 | charset | status 2 | 2 more …
//! answer:   capabilities 4 | packet size 4 | charset 1 | 23 | user NUL …      (CLIENT_PROTOCOL_41)
//!           capabilities 2 | packet size 3 | user NUL …                       (before 4.1)
//! ```
//! Sources: <https://mariadb.com/kb/en/connection/>, `sql_acl.cc` of MariaDB.

/// Takes out of a greeting's payload what a relay could not look through: TLS and compression. A
/// payload that is no greeting (the server's refusal, say) stays as it is.
pub(crate) fn clear_capabilities(greeting: &mut [u8]) {
    if greeting.first() != Some(&GREETING_VERSION) {
        return;
    }
    let Some(end) = greeting.iter().skip(1).position(|byte| *byte == 0) else { return };
    let low = 1 + end + 1 + 4 + 8 + 1;
    let high = low + 2 + 1 + 2;
    for (at, opaque) in [(low, OPAQUE.to_le_bytes()), (high, (OPAQUE >> 16).to_le_bytes())] {
        if let Some(field) = greeting.get_mut(at..at + 2) {
            field[0] &= !opaque[0];
            field[1] &= !opaque[1];
        }
    }
}

/// What a client's answer asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Asked<'a> {
    /// To be this user.
    User(&'a [u8]),
    /// To be looked at no further, which is refused.
    Opaque,
    /// Nothing that can be read.
    Garbage,
}

/// Reads the payload of a client's answer.
pub(crate) fn asked(answer: &[u8]) -> Asked<'_> {
    let Some(low) = answer.get(..2) else { return Asked::Garbage };
    let low = u32::from(u16::from_le_bytes([low[0], low[1]]));
    let (capabilities, user_at) = match (low & PROTOCOL_41 != 0, answer.get(2..4)) {
        (true, Some(high)) => (low | u32::from(u16::from_le_bytes([high[0], high[1]])) << 16, 32),
        (true, None) => return Asked::Garbage,
        (false, _) => (low, 5),
    };
    if capabilities & OPAQUE != 0 {
        return Asked::Opaque;
    }
    let rest = answer.get(user_at..).unwrap_or_default();
    match rest.iter().position(|byte| *byte == 0) {
        Some(end) => Asked::User(&rest[..end]),
        None => Asked::Garbage,
    }
}

const GREETING_VERSION: u8 = 10;
const PROTOCOL_41: u32 = 0x200;
const COMPRESS: u32 = 0x20;
const SSL: u32 = 0x800;
const ZSTD: u32 = 1 << 26;
const OPAQUE: u32 = COMPRESS | SSL | ZSTD;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn greeting() -> Vec<u8> {
        let mut bytes = vec![10];
        bytes.extend(b"5.5.5-10.11.19-MariaDB\0");
        bytes.extend([7, 0, 0, 0]);
        bytes.extend(b"saltsalt\0");
        bytes.extend([0xff, 0xff, 45, 2, 0, 0xff, 0xff, 21]);
        bytes.extend(b"0000000000saltsaltsalt\0mysql_native_password\0");
        bytes
    }

    #[test]
    fn tls_and_compression_are_taken_out_and_nothing_else() {
        let (before, mut after) = (greeting(), greeting());
        clear_capabilities(&mut after);
        let changed: Vec<(usize, u8)> = (0..before.len())
            .filter(|at| before[*at] != after[*at])
            .map(|at| (at, after[at]))
            .collect();
        assert_eq!(changed, [(37, 0xdf), (38, 0xf7), (43, 0xfb)]);
        let mut refusal = vec![0xff, 0x10, 0x04, 0, 0xff, 0xff];
        clear_capabilities(&mut refusal);
        assert_eq!(refusal, [0xff, 0x10, 0x04, 0, 0xff, 0xff]);
    }

    #[test]
    fn the_user_is_found_in_both_forms() {
        let mut new = vec![0; 32];
        new[1] = 0x02;
        new.extend(b"shop\0rest");
        assert_eq!(asked(&new), Asked::User(b"shop"));
        assert_eq!(asked(b"\0\0\0\0\0root\0"), Asked::User(b"root"));
        assert_eq!(asked(&new[..34]), Asked::Garbage);
        assert_eq!(asked(b"\0"), Asked::Garbage);
        for (at, bit) in [(0, 0x20), (1, 0x08), (3, 0x04)] {
            let mut opaque = new.clone();
            opaque[at] |= bit;
            assert_eq!(asked(&opaque), Asked::Opaque);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn any_bytes_are_survived(mut bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let _ = asked(&bytes);
            let length = bytes.len();
            clear_capabilities(&mut bytes);
            prop_assert_eq!(bytes.len(), length);
        }
    }
}
