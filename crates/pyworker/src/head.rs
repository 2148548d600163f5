//! What an application says to `start_response`, in the common form. Anything else is left to
//! wire.py and wsgi.py, which know the words for what is wrong.

use pyo3::prelude::*;
use pyo3::types::{PyList, PyString, PyTuple};

/// The number in a status line such as `200 OK`.
pub(crate) fn code(status: &Bound<'_, PyAny>) -> Option<u16> {
    let status = status.cast::<PyString>().ok()?.to_str().ok()?;
    let (digits, rest) = status.as_bytes().split_first_chunk::<3>()?;
    if !digits.iter().all(u8::is_ascii_digit) || !matches!(rest.first(), None | Some(b' ')) {
        return None;
    }
    let code = digits.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
    (code >= 200).then_some(code)
}

/// The head of a response: name, NUL, value, NUL … None when this is no list of pairs of strings
/// that a head can hold.
pub(crate) fn encode(headers: &Bound<'_, PyAny>) -> Option<Vec<u8>> {
    let headers = headers.cast::<PyList>().ok()?;
    let mut head = Vec::with_capacity(HEAD_BYTES);
    for header in headers {
        let pair = header.cast_exact::<PyTuple>().ok()?;
        if pair.len() != 2 {
            return None;
        }
        put(&pair.get_item(0).ok()?, &mut head)?;
        put(&pair.get_item(1).ok()?, &mut head)?;
    }
    Some(head)
}

fn put(part: &Bound<'_, PyAny>, head: &mut Vec<u8>) -> Option<()> {
    let text = part.cast::<PyString>().ok()?.to_str().ok()?;
    if text.bytes().any(|byte| matches!(byte, 0 | b'\r' | b'\n')) {
        return None;
    }
    if text.is_ascii() {
        head.extend_from_slice(text.as_bytes());
    } else {
        for character in text.chars() {
            head.push(u8::try_from(u32::from(character)).ok()?);
        }
    }
    head.push(0);
    Some(())
}

/// What most heads fit into.
const HEAD_BYTES: usize = 256;
