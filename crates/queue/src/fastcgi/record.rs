//! Records of FastCGI 1.0: bytes to records and back. Pure.
//!
//! ```text
//!   edge ─▶ BEGIN_REQUEST  PARAMS … PARAMS(empty)  STDIN … STDIN(empty)
//!   php  ─▶ STDOUT …  STDERR …  END_REQUEST
//! ```
//! Requests are not multiplexed on a connection: PHP knows one at a time, and all of ours have the
//! same id. A record is read whole, and its content is handed on as it lies in the buffer.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use memchr::memchr;

/// What PHP says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    /// Of the answer: its head, then its content. Empty at the stream's end, which may be left out.
    Stdout(Bytes),
    /// For the log.
    Stderr(Bytes),
    /// The request is over.
    End(Ended),
}

/// How a request ended, by the protocol (FastCGI §5.5). The status of the application says nothing
/// to a web server: PHP's is its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Complete,
    /// Not taken on, by one of the protocol's reasons.
    Refused(u8),
}

/// Why bytes are not PHP's side of FastCGI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RecordError {
    #[error("version {0} of FastCGI is not spoken here")]
    Version(u8),
    #[error("a FastCGI record of type {0} was not asked for")]
    OutOfPlace(u8),
    #[error("a FastCGI record for request {0}, which was never made")]
    Stranger(u16),
    #[error("an END_REQUEST record of the wrong shape")]
    Malformed,
}

/// Takes the next record off the front of `bytes`; None when it is not there whole yet.
pub(crate) fn decode(bytes: &mut BytesMut) -> Result<Option<Record>, RecordError> {
    let Some(header) = bytes.first_chunk::<HEADER_BYTES>() else { return Ok(None) };
    let &[version, kind, id_high, id_low, length_high, length_low, padding, _] = header;
    let id = u16::from_be_bytes([id_high, id_low]);
    match () {
        () if version != VERSION => return Err(RecordError::Version(version)),
        () if !matches!(kind, STDOUT | STDERR | END_REQUEST) => {
            return Err(RecordError::OutOfPlace(kind));
        }
        () if id != REQUEST_ID => return Err(RecordError::Stranger(id)),
        () => {}
    }
    let length = usize::from(u16::from_be_bytes([length_high, length_low]));
    let whole = HEADER_BYTES + length + usize::from(padding);
    if bytes.len() < whole {
        bytes.reserve(whole - bytes.len());
        return Ok(None);
    }
    bytes.advance(HEADER_BYTES);
    let mut content = bytes.split_to(length);
    bytes.advance(padding.into());
    Ok(Some(match kind {
        STDOUT => Record::Stdout(content.freeze()),
        STDERR => Record::Stderr(content.freeze()),
        _ if length != END_BYTES => return Err(RecordError::Malformed),
        _ => {
            content.advance(4);
            match content.get_u8() {
                0 => Record::End(Ended::Complete),
                reason => Record::End(Ended::Refused(reason)),
            }
        }
    }))
}

/// Begins a request, and tells its variables: name, NUL, value, NUL … of each part in turn.
pub(crate) fn encode_request(parts: &[&[u8]], out: &mut BytesMut) {
    out.reserve(parts.iter().map(|part| part.len() * 2).sum::<usize>() + 64);
    header(out, BEGIN_REQUEST, 8);
    out.put_slice(&[0, RESPONDER, KEEP_CONNECTION, 0, 0, 0, 0, 0]);
    let mut params = Params::new(out);
    parts.iter().for_each(|part| params.put_all(part));
    params.end();
}

/// A piece of the request's content.
pub(crate) fn encode_content(content: &[u8], out: &mut BytesMut) {
    for portion in content.chunks(CONTENT_BYTES_MAX) {
        header(out, STDIN, portion.len());
        out.put_slice(portion);
    }
}

/// The end of the request's content.
pub(crate) fn encode_end(out: &mut BytesMut) {
    header(out, STDIN, 0);
}

/// The PARAMS stream. A pair never lies in two records, as PHP reads each one by itself.
struct Params<'a> {
    out: &'a mut BytesMut,
    /// Where the record begins that is being written.
    record: usize,
}

impl<'a> Params<'a> {
    fn new(out: &'a mut BytesMut) -> Params<'a> {
        let record = out.len();
        header(out, PARAMS, 0);
        Params { out, record }
    }

    fn put_all(&mut self, mut pairs: &[u8]) {
        while let Some(end) = memchr(0, pairs) {
            let (name, rest) = (&pairs[..end], &pairs[end + 1..]);
            let Some(end) = memchr(0, rest) else { return };
            self.put(name, &rest[..end]);
            pairs = &rest[end + 1..];
        }
    }

    fn put(&mut self, name: &[u8], value: &[u8]) {
        let most = name.len() + value.len() + 8;
        if most > CONTENT_BYTES_MAX {
            // No such pair passes the web step's limits.
            return;
        }
        if self.length() + most > CONTENT_BYTES_MAX {
            self.close();
            self.record = self.out.len();
            header(self.out, PARAMS, 0);
        }
        self.put_length(name.len());
        self.put_length(value.len());
        self.out.put_slice(name);
        self.out.put_slice(value);
    }

    /// One byte up to 127, else four with the highest bit set (FastCGI §3.4).
    fn put_length(&mut self, length: usize) {
        match u8::try_from(length) {
            Ok(short) if short < 0x80 => self.out.put_u8(short),
            _ => self.out.put_u32(u32::try_from(length).unwrap_or(u32::MAX) | 0x8000_0000),
        }
    }

    fn length(&self) -> usize {
        self.out.len() - self.record - HEADER_BYTES
    }

    /// Writes the length of the record's content into its header.
    fn close(&mut self) {
        let length = u16::try_from(self.length()).unwrap_or(u16::MAX).to_be_bytes();
        self.out[self.record + 4..self.record + 6].copy_from_slice(&length);
    }

    fn end(mut self) {
        // An empty record would end the stream, and does.
        if self.length() > 0 {
            self.close();
            header(self.out, PARAMS, 0);
        }
    }
}

fn header(out: &mut BytesMut, kind: u8, length: usize) {
    debug_assert!(length <= CONTENT_BYTES_MAX, "a record of {length} bytes");
    out.put_slice(&[VERSION, kind]);
    out.put_u16(REQUEST_ID);
    out.put_u16(u16::try_from(length).unwrap_or(u16::MAX));
    out.put_u16(0);
}

const VERSION: u8 = 1;
const HEADER_BYTES: usize = 8;
const END_BYTES: usize = 8;
const REQUEST_ID: u16 = 1;
const RESPONDER: u8 = 1;
const KEEP_CONNECTION: u8 = 1;
/// PHP takes no more in one record, its padding included.
const CONTENT_BYTES_MAX: usize = 0xfff8;

const BEGIN_REQUEST: u8 = 1;
const END_REQUEST: u8 = 3;
const PARAMS: u8 = 4;
const STDIN: u8 = 5;
const STDOUT: u8 = 6;
const STDERR: u8 = 7;

#[cfg(test)]
mod tests;
