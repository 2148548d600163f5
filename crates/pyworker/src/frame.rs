//! The frames of docs/worker-protocol.md as a worker reads and writes them. Pure.

/// A frame from the edge, its length right for its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) kind: Kind,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: &'a [u8],
}

/// What an edge may send; the numbers are those of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Hello = 1,
    Request = 2,
    Data = 4,
    End = 5,
    Abort = 6,
    Credit = 7,
}

/// How the edge broke the protocol; its connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Broken(pub(crate) &'static str);

/// The frame at the start of `bytes`, if all of it is there.
pub(crate) fn split(bytes: &[u8]) -> Result<Option<Frame<'_>>, Broken> {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER_BYTES>() else { return Ok(None) };
    let [l0, l1, l2, l3, kind, flags, _, _, s0, s1, s2, s3] = *header;
    let length = u32::from_be_bytes([l0, l1, l2, l3]) as usize;
    let (kind, least, greatest) = known(kind).ok_or(Broken("a frame of an unknown type"))?;
    if !(least..=greatest).contains(&length) {
        return Err(Broken("a frame of a wrong length"));
    }
    let stream = u32::from_be_bytes([s0, s1, s2, s3]);
    Ok(rest.get(..length).map(|payload| Frame { kind, flags, stream, payload }))
}

/// A type by its number, with the least and the greatest length of its payload.
fn known(number: u8) -> Option<(Kind, usize, usize)> {
    Some(match number {
        1 => (Kind::Hello, 8, 8),
        2 => (Kind::Request, 0, PAYLOAD_BYTES_MAX),
        4 => (Kind::Data, 0, PAYLOAD_BYTES_MAX),
        5 => (Kind::End, 0, 0),
        6 => (Kind::Abort, STAMPS_BYTES, STAMPS_BYTES + REASON_BYTES_MAX),
        7 => (Kind::Credit, 4, 4),
        _ => return None,
    })
}

/// A whole answer: RESPONSE with all of its content, and END.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) stream: u32,
    pub(crate) started: u64,
    pub(crate) ended: u64,
    pub(crate) status: u16,
    pub(crate) head: &'a [u8],
}

impl Answer<'_> {
    /// Writes the answer's frames to `out`, unless one RESPONSE can't hold it all.
    pub(crate) fn put<'a>(
        &self,
        content: impl Iterator<Item = &'a [u8]> + Clone,
        out: &mut Vec<u8>,
    ) -> bool {
        let content_bytes: usize = content.clone().map(<[u8]>::len).sum();
        let length = RESPONSE_BYTES + self.head.len() + content_bytes;
        let (Ok(length_field), Ok(head_bytes)) =
            (u32::try_from(length), u32::try_from(self.head.len()))
        else {
            return false;
        };
        if length > PAYLOAD_BYTES_MAX {
            return false;
        }
        out.reserve(2 * HEADER_BYTES + length + END_BYTES);
        put_header(length_field, RESPONSE, self.stream, out);
        out.extend_from_slice(&self.started.to_be_bytes());
        out.extend_from_slice(&self.status.to_be_bytes());
        out.extend_from_slice(&head_bytes.to_be_bytes());
        out.extend_from_slice(self.head);
        content.for_each(|piece| out.extend_from_slice(piece));
        put_header(END_BYTES as u32, Kind::End as u8, self.stream, out);
        out.extend_from_slice(&self.ended.to_be_bytes());
        true
    }
}

/// Writes the ABORT of a request that was not begun.
pub(crate) fn put_not_begun(stream: u32, out: &mut Vec<u8>) {
    put_header((STAMPS_BYTES + NOT_BEGUN.len()) as u32, Kind::Abort as u8, stream, out);
    out.extend_from_slice(&[0; STAMPS_BYTES]);
    out.extend_from_slice(NOT_BEGUN);
}

fn put_header(length: u32, kind: u8, stream: u32, out: &mut Vec<u8>) {
    let [l0, l1, l2, l3] = length.to_be_bytes();
    let [s0, s1, s2, s3] = stream.to_be_bytes();
    out.extend_from_slice(&[l0, l1, l2, l3, kind, 0, 0, 0, s0, s1, s2, s3]);
}

pub(crate) const HEADER_BYTES: usize = 12;
pub(crate) const PAYLOAD_BYTES_MAX: usize = 131_072;
/// Flag of REQUEST: nothing follows it.
pub(crate) const NO_CONTENT: u8 = 1;
const RESPONSE: u8 = 3;
/// The part of a RESPONSE's payload before its head.
const RESPONSE_BYTES: usize = 14;
/// The end's stamp.
const END_BYTES: usize = 8;
/// What an ABORT has before its reason.
const STAMPS_BYTES: usize = 16;
const REASON_BYTES_MAX: usize = 1_024;
const NOT_BEGUN: &[u8] = b"not begun";

#[cfg(test)]
pub(crate) mod tests;
