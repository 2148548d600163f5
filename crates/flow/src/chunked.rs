//! The chunked coding (RFC 9112 §7.1), strictly: every line ends in CRLF, sizes are plain
//! hexadecimal. Extensions and trailers are read within a limit and dropped.
//!
//! ```text
//! Size --;--> Extension --CR--> SizeEnd --LF--> Data --> DataEnd --CR LF--> Size
//!   '--SP--> Blank --;--^          '-- size 0 --> Trailer lines --> empty line --> End
//! ```
//!
//! The same bytes give the same content however they are split. Both sides of the edge read it by
//! this one decoder: a visitor's request in the web step, an upstream's answer in the queue step.

use bytes::{Buf as _, Bytes, BytesMut};

/// What was found of some content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// A piece of it.
    Data(Bytes),
    /// Nothing, until there are more bytes (or more room).
    More,
    /// It is complete.
    End,
}

impl Decoded {
    /// Takes content out of `bytes`: no more than `left`, which is counted down, and `room`.
    pub fn take(left: &mut u64, bytes: &mut BytesMut, room: usize) -> Decoded {
        let wanted = usize::try_from(*left).unwrap_or(usize::MAX);
        let length = wanted.min(bytes.len()).min(room);
        if length == 0 {
            return Decoded::More;
        }
        *left -= length as u64;
        Decoded::Data(bytes.split_to(length).freeze())
    }
}

/// Bytes that are no chunked content, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotChunked(pub &'static str);

/// The state of one chunked content.
#[derive(Debug, Default)]
pub struct Chunked {
    state: State,
    /// What is left of the present chunk; while its size is read, the size.
    left: u64,
    digits: u8,
    /// Bytes of extensions and trailers seen, over the whole content.
    overhead: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Size,
    Blank,
    Extension,
    SizeEnd,
    Data,
    DataEnd,
    DataLineEnd,
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerEnd,
    LastLineEnd,
    End,
}

impl Chunked {
    /// Takes the next piece of content, at most `room` bytes of it, out of `bytes`.
    ///
    /// # Errors
    /// When the bytes break the grammar, or there is too much around the content.
    pub fn next(&mut self, bytes: &mut BytesMut, room: usize) -> Result<Decoded, NotChunked> {
        let mut read = 0;
        while read < bytes.len() && !matches!(self.state, State::Data | State::End) {
            self.state = self.step(bytes[read])?;
            read += 1;
        }
        bytes.advance(read);
        match self.state {
            State::End => Ok(Decoded::End),
            State::Data => {
                let taken = Decoded::take(&mut self.left, bytes, room);
                if self.left == 0 {
                    self.state = State::DataEnd;
                }
                Ok(taken)
            }
            _ => Ok(Decoded::More),
        }
    }

    /// Whether the last chunk and the trailers were read.
    pub fn is_done(&self) -> bool {
        self.state == State::End
    }

    /// One byte around the content.
    fn step(&mut self, byte: u8) -> Result<State, NotChunked> {
        let next = match (self.state, byte) {
            (State::Size, _) if byte.is_ascii_hexdigit() => self.digit(byte)?,
            (State::Size, _) if self.digits == 0 => None,
            (State::Size | State::Extension, b'\r') => Some(State::SizeEnd),
            (State::Size | State::Blank | State::Extension, b';') => Some(State::Extension),
            (State::Size | State::Blank, b' ' | b'\t') => Some(State::Blank),
            (State::Extension, _) if is_text(byte) => Some(State::Extension),
            (State::SizeEnd, b'\n') if self.left == 0 => Some(State::TrailerStart),
            (State::SizeEnd, b'\n') => Some(State::Data),
            (State::DataEnd, b'\r') => Some(State::DataLineEnd),
            (State::DataLineEnd, b'\n') => {
                self.digits = 0;
                Some(State::Size)
            }
            _ => self.step_trailer(byte),
        };
        let next = next.ok_or(NotChunked("the chunked content is malformed"))?;
        self.count(next)?;
        Ok(next)
    }

    fn step_trailer(&self, byte: u8) -> Option<State> {
        match (self.state, byte) {
            (State::TrailerStart, b'\r') => Some(State::LastLineEnd),
            (State::TrailerName, b':') => Some(State::TrailerValue),
            (State::TrailerStart | State::TrailerName, _) if is_name(byte) => {
                Some(State::TrailerName)
            }
            (State::TrailerValue, b'\r') => Some(State::TrailerEnd),
            (State::TrailerValue, _) if is_text(byte) => Some(State::TrailerValue),
            (State::TrailerEnd, b'\n') => Some(State::TrailerStart),
            (State::LastLineEnd, b'\n') => Some(State::End),
            _ => None,
        }
    }

    fn digit(&mut self, byte: u8) -> Result<Option<State>, NotChunked> {
        // Sixteen digits are the largest u64; leading zeros count as well, so that they end.
        if self.digits == 16 {
            return Err(NotChunked("a chunk's size has too many digits"));
        }
        let digit = char::from(byte).to_digit(16).unwrap_or_default();
        self.left = if self.digits == 0 { 0 } else { self.left << 4 } | u64::from(digit);
        self.digits += 1;
        Ok(Some(State::Size))
    }

    fn count(&mut self, next: State) -> Result<(), NotChunked> {
        use State::{Blank, Extension, TrailerName, TrailerValue};
        if matches!(next, Blank | Extension | TrailerName | TrailerValue) {
            self.overhead += 1;
        }
        if self.overhead > OVERHEAD_BYTES_MAX {
            return Err(NotChunked("too many chunk extensions or trailers"));
        }
        Ok(())
    }
}

fn is_text(byte: u8) -> bool {
    byte == b'\t' || !byte.is_ascii_control()
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// The most bytes of extensions and trailers in one content.
const OVERHEAD_BYTES_MAX: usize = 16 * 1024;

#[cfg(test)]
mod tests;
