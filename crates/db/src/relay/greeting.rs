//! The first two packets of a connection: the server's greeting and the client's answer to it.
//!
//! ```text
//! greeting: 10 | version NUL | id 4 | salt 8 | 0 | capabilities 2 | charset | status 2 | 2 more
//!           | 1 | 6 | 4 of MariaDB's own | …
//! answer:   capabilities 4 | packet size 4 | charset 1 | 19 | 4 of MariaDB's own | user NUL …
//!                                                                             (CLIENT_PROTOCOL_41)
//!           capabilities 2 | packet size 3 | user NUL …                       (before 4.1)
//! ```
//! Sources: <https://mariadb.com/kb/en/connection/>, `sql_acl.cc` of MariaDB.

/// Takes out of a greeting's payload what a relay could not look through: TLS and compression. A
/// payload that is no greeting (the server's refusal, say) stays as it is.
pub(crate) fn clear_capabilities(greeting: &mut [u8]) {
    let Some(low) = low_at(greeting) else { return };
    let high = low + LOW_TO_HIGH;
    for (at, opaque) in [(low, OPAQUE.to_le_bytes()), (high, (OPAQUE >> 16).to_le_bytes())] {
        if let Some(field) = greeting.get_mut(at..at + 2) {
            field[0] &= !opaque[0];
            field[1] &= !opaque[1];
        }
    }
}

/// Where the lower half of the capabilities stands in a greeting's payload.
fn low_at(greeting: &[u8]) -> Option<usize> {
    if greeting.first() != Some(&GREETING_VERSION) {
        return None;
    }
    let end = greeting.iter().skip(1).position(|byte| *byte == 0)?;
    Some(1 + end + 1 + 4 + 8 + 1)
}

/// What server and client have agreed on, as far as it tells how packets are to be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Agreed {
    /// No EOF packet after column definitions; an OK packet with the header 0xfe after rows.
    pub(crate) no_eof: bool,
    /// The number of columns is followed by a byte that tells whether definitions follow.
    pub(crate) cached_columns: bool,
}

/// Reads from a greeting's and an answer's payload what they agree on. None: something that this
/// relay can't follow, or a character set in which a byte of a character may look like a quote.
pub(crate) fn agreed(greeting: &[u8], answer: &[u8]) -> Option<Agreed> {
    let low = low_at(greeting)?;
    let server = [number_at(greeting, low, 2)?, number_at(greeting, low + LOW_TO_HIGH, 2)?];
    let both = (server[0] | server[1] << 16) & number_at(answer, 0, 4)?;
    let own = |payload, at, capabilities| match capabilities & LONG_PASSWORD {
        // Where this bit is clear MariaDB has four bytes more.
        0 => number_at(payload, at, 4).unwrap_or(0),
        _ => 0,
    };
    let mariadb = own(greeting, low + LOW_TO_MARIADB, server[0])
        & own(answer, MARIADB_AT, number_at(answer, 0, 4)?);
    let charset = *answer.get(CHARSET_AT)?;
    let readable = both & PROTOCOL_41 != 0 && both & UNKNOWN == 0 && mariadb & COM_MULTI == 0;
    (readable && !AMBIGUOUS_CHARSETS.contains(&charset)).then_some(Agreed {
        no_eof: both & DEPRECATE_EOF != 0,
        cached_columns: mariadb & CACHE_METADATA != 0,
    })
}

/// A number of up to four bytes, the lowest first.
fn number_at(payload: &[u8], at: usize, bytes: usize) -> Option<u32> {
    let bytes = payload.get(at..at + bytes)?;
    Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte)))
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
const LOW_TO_HIGH: usize = 2 + 1 + 2;
const LOW_TO_MARIADB: usize = LOW_TO_HIGH + 2 + 1 + 6;
const CHARSET_AT: usize = 8;
const MARIADB_AT: usize = 28;
const LONG_PASSWORD: u32 = 0x1;
const PROTOCOL_41: u32 = 0x200;
const COMPRESS: u32 = 0x20;
const SSL: u32 = 0x800;
const ZSTD: u32 = 1 << 26;
const DEPRECATE_EOF: u32 = 1 << 24;
/// MySQL's own ways to leave out columns and to send values beside a query.
const UNKNOWN: u32 = 1 << 25 | 1 << 27;
const COM_MULTI: u32 = 1 << 1;
const CACHE_METADATA: u32 = 1 << 4;
/// The collations of big5, cp932, gbk and sjis: a character's second byte may be a backslash.
const AMBIGUOUS_CHARSETS: [u8; 8] = [1, 84, 95, 96, 28, 87, 13, 88];
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
        bytes.extend([0; 10]);
        bytes.extend(b"saltsaltsalt\0mysql_native_password\0");
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

    /// A greeting and an answer that have everything, MariaDB's own capabilities too.
    fn both() -> (Vec<u8>, Vec<u8>) {
        let mut greeting = greeting();
        let low = low_at(&greeting).unwrap();
        greeting[low] = 0xfe;
        greeting[low + LOW_TO_HIGH + 1] = 0x01;
        greeting[low + LOW_TO_MARIADB..][..4].fill(0x1d);
        let mut answer = vec![0; 32];
        (answer[0], answer[1], answer[3], answer[8]) = (0xfe, 0xff, 0x01, 45);
        answer[28] = 0x1d;
        answer.extend(b"shop\0");
        (greeting, answer)
    }

    #[test]
    fn what_both_can_is_agreed() {
        let (greeting, answer) = both();
        let all = Agreed { no_eof: true, cached_columns: true };
        assert_eq!(agreed(&greeting, &answer), Some(all));
        let mut old = answer.clone();
        (old[3], old[28]) = (0, 0);
        assert_eq!(agreed(&greeting, &old), Some(Agreed::default()));
        let mut mysql = answer.clone();
        mysql[0] |= 1;
        let expected = Agreed { cached_columns: false, ..all };
        assert_eq!(agreed(&greeting, &mysql), Some(expected), "those bytes mean nothing there");
    }

    #[test]
    fn what_cannot_be_followed_is_not_agreed() {
        let (mut greeting, answer) = both();
        let low = low_at(&greeting).unwrap();
        greeting[low + LOW_TO_HIGH + 1] = 0xff;
        greeting[low + LOW_TO_MARIADB] = 0x1f;
        for (at, byte) in [(3, 0x02), (3, 0x08), (28, 0x02), (8, 28), (1, 0)] {
            let mut strange = answer.clone();
            strange[at] = byte;
            assert_eq!(agreed(&greeting, &strange), None, "{byte:#x} at {at}");
        }
        assert_eq!(agreed(&greeting, b"\0\0\0\0\0root\0"), None, "before 4.1");
        assert_eq!(agreed(b"\xff\x10\x04", &answer), None, "a refusal");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn any_bytes_are_survived(mut bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let _ = (asked(&bytes), agreed(&bytes, &bytes));
            let length = bytes.len();
            clear_capabilities(&mut bytes);
            prop_assert_eq!(bytes.len(), length);
        }
    }
}
