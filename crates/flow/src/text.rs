//! Numbers and addresses as text, for what is written at each request: without an allocation, and
//! without the machinery of `core::fmt`, which costs more than the digits.

use std::io::Write as _;
use std::net::IpAddr;

/// A short text on the stack.
#[derive(Clone, Copy, Debug)]
pub struct Text {
    bytes: [u8; LENGTH_MAX],
    start: usize,
    end: usize,
}

impl Text {
    /// A number in decimal digits.
    pub fn number(mut number: u64) -> Text {
        let (mut bytes, mut start) = ([0; LENGTH_MAX], LENGTH_MAX);
        loop {
            start -= 1;
            bytes[start] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                return Text { bytes, start, end: LENGTH_MAX };
            }
        }
    }

    /// An address as `IpAddr` itself writes it.
    pub fn address(address: IpAddr) -> Text {
        let mut bytes = [0; LENGTH_MAX];
        let mut end = 0;
        match address {
            IpAddr::V4(address) => {
                for (at, octet) in address.octets().into_iter().enumerate() {
                    if at > 0 {
                        bytes[end] = b'.';
                        end += 1;
                    }
                    let digits = Text::number(octet.into());
                    bytes[end..end + digits.as_bytes().len()].copy_from_slice(digits.as_bytes());
                    end += digits.as_bytes().len();
                }
            }
            IpAddr::V6(address) => {
                let mut rest = &mut bytes[..];
                // The longest one has 45 characters.
                let _ = write!(rest, "{address}");
                end = LENGTH_MAX - rest.len();
            }
        }
        Text { bytes, start: 0, end }
    }

    /// `number` in twelve hexadecimal digits; of a longer one the last twelve.
    pub(crate) fn hexadecimal(number: u64) -> Text {
        let mut bytes = [0; LENGTH_MAX];
        for (at, byte) in bytes[..12].iter_mut().enumerate() {
            *byte = b"0123456789abcdef"[(number >> (44 - 4 * at) & 15) as usize];
        }
        Text { bytes, start: 0, end: 12 }
    }

    /// Its bytes, all of them ASCII.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

const LENGTH_MAX: usize = 48;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_by_the_standard_library() {
        for number in [0, 7, 10, 99, 100, 65_535, 4_294_967_296, u64::MAX] {
            assert_eq!(Text::number(number).as_str(), number.to_string());
            let hexadecimal = format!("{:012x}", number & 0xffff_ffff_ffff);
            assert_eq!(Text::hexadecimal(number).as_str(), hexadecimal);
        }
    }

    #[test]
    fn addresses_are_written_as_by_the_standard_library() {
        for address in ["0.0.0.0", "192.0.2.7", "255.255.255.255", "::", "2001:db8::1"] {
            let address: IpAddr = address.parse().unwrap();
            assert_eq!(Text::address(address).as_str(), address.to_string());
        }
        let longest: IpAddr = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff".parse().unwrap();
        assert_eq!(Text::address(longest).as_str(), longest.to_string());
    }
}
