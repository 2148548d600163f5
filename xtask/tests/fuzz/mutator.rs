//! Makes inputs out of seeds: a copy with a few faults of the kinds that parsers fall over.
//!
//! The same seeds give the same inputs for ever, so a failure is found again by running it again.

/// An endless supply of inputs.
pub(crate) struct Mutator<'a> {
    seeds: &'a [&'a [u8]],
    state: u64,
}

impl<'a> Mutator<'a> {
    /// Inputs like `seeds`, of which there has to be one at least.
    pub(crate) fn new(seeds: &'a [&'a [u8]]) -> Mutator<'a> {
        Mutator { seeds, state: 0x00da_5e1f }
    }

    /// The next input.
    pub(crate) fn next_input(&mut self) -> Vec<u8> {
        let mut bytes = self.seed().to_vec();
        for _ in 0..self.below(6) {
            self.change(&mut bytes);
        }
        bytes.truncate(INPUT_BYTES_MAX);
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>) {
        let at = self.below(bytes.len() + 1);
        let end = (at + self.below(32)).min(bytes.len());
        match self.below(7) {
            0 => bytes[at..end].iter_mut().for_each(|byte| *byte ^= 1 << (at % 8)),
            1 => drop(bytes.drain(at..end)),
            2 => bytes.extend_from_within(at..end),
            3 => bytes.truncate(at),
            4 => {
                let byte = self.below(256).to_le_bytes()[0];
                bytes.splice(at..at, std::iter::repeat_n(byte, end - at));
            }
            5 => {
                let boundary = BOUNDARIES[self.below(BOUNDARIES.len())];
                bytes.splice(at..end, boundary.iter().copied());
            }
            _ => {
                let other = self.seed();
                let from = self.below(other.len() + 1);
                let to = (from + self.below(64)).min(other.len());
                bytes.splice(at..at, other[from..to].iter().copied());
            }
        }
    }

    fn seed(&mut self) -> &'a [u8] {
        self.seeds[self.below(self.seeds.len())]
    }

    /// A number below `limit` (SplitMix64; that it is not quite even does not matter here).
    fn below(&mut self, limit: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((word ^ (word >> 31)) % limit as u64).unwrap()
    }
}

/// What a number or a word is cut short, turned around or ended with.
const BOUNDARIES: &[&[u8]] = &[
    b"\0",
    b"\x7f",
    b"\x80",
    b"\xff",
    b"\xff\xff",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\r\n",
    b"\n",
    b" ",
    b"\t",
    b"\"",
    b"'",
    b"\\",
    b"/",
    b"..",
    b"%",
    b":",
    b",",
    b"=",
    b"-",
    b"[",
    b"{",
    b"0",
    b"-1",
    b"4294967296",
    b"18446744073709551616",
    b"\xef\xbb\xbf",
    b"\xf0\x9f\x92\xa1",
];

const INPUT_BYTES_MAX: usize = 64 * 1024;

#[test]
fn same_seeds_make_the_same_inputs() {
    let inputs = |mutator: &mut Mutator<'_>| [(); 100].map(|()| mutator.next_input());
    let seeds: &[&[u8]] = &[b"one", b""];
    let first = inputs(&mut Mutator::new(seeds));
    assert_eq!(first, inputs(&mut Mutator::new(seeds)));
    let distinct: std::collections::HashSet<_> = first.iter().collect();
    assert!(distinct.len() > 40, "only {} of 100 differ", distinct.len());
}
