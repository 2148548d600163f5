//! Names for things by their content: FNV-1a over 128 bits. Made to tell honest inputs apart, the
//! same in every build; no defence against someone who looks for collisions in a project of their
//! own.

use std::fmt;

/// A key under construction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key(u128);

impl Key {
    /// The key of nothing.
    pub(crate) fn new() -> Key {
        Key(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d)
    }

    /// The key with one more part; parts do not run into one another.
    pub(crate) fn with(self, part: &[u8]) -> Key {
        let length = (part.len() as u64).to_be_bytes();
        length.iter().chain(part).fold(self, |key, byte| {
            Key((key.0 ^ u128::from(*byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b))
        })
    }
}

impl fmt::Display for Key {
    /// 16 hexadecimal digits: short enough for paths, long enough for a folder's entries.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0 >> 64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_into_one_another() {
        let key =
            |parts: &[&str]| parts.iter().fold(Key::new(), |key, part| key.with(part.as_bytes()));
        assert_ne!(key(&["ab", "c"]), key(&["a", "bc"]));
        assert_ne!(key(&["a"]), key(&["a", ""]));
        assert_eq!(key(&["a"]).to_string().len(), 16);
    }
}
