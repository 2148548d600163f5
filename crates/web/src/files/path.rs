//! A request's path as the name of a file: percent-decoded and without dot segments, once.
//!
//! What could mean different things to different readers is no file's name: an encoded slash, NUL
//! or backslash, an empty segment, a `..` above the root. The file system sees none of these.

use std::borrow::Cow;

/// The path a file would have; it starts with `/`. None: no file has such a path.
pub(crate) fn normalise(path: &str) -> Option<Cow<'_, [u8]>> {
    if !path.starts_with('/') || path.contains("//") || path.contains(['\\', '\0']) {
        return None;
    }
    // Most paths are plain: nothing is copied.
    if !path.contains('%') && !path.contains("/.") {
        return Some(Cow::Borrowed(path.as_bytes()));
    }
    let decoded = decode(path.as_bytes())?;
    without_dot_segments(&decoded).map(Cow::Owned)
}

fn decode(path: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        let byte = digit(digits[0])? << 4 | digit(digits[1])?;
        if matches!(byte, b'/' | b'\\' | 0) {
            return None;
        }
        decoded.push(byte);
        rest = after;
    }
    Some(decoded)
}

fn digit(byte: u8) -> Option<u8> {
    // A hexadecimal digit is at most 15, so that the cast loses nothing.
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

/// RFC 3986 §5.2.4, but that climbing above the root is an error.
fn without_dot_segments(path: &[u8]) -> Option<Vec<u8>> {
    let mut kept: Vec<&[u8]> = Vec::new();
    let mut segments = path[1..].split(|&byte| byte == b'/').peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            b"." => {}
            b".." => {
                kept.pop()?;
            }
            _ => {
                kept.push(segment);
                continue;
            }
        }
        // `/a/.` and `/a/b/..` name the folder `/a/`.
        if is_last {
            kept.push(b"");
        }
    }
    let mut normal = Vec::with_capacity(path.len());
    for segment in kept {
        normal.push(b'/');
        normal.extend_from_slice(segment);
    }
    Some(normal)
}

#[cfg(test)]
mod tests;
