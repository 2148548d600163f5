//! Byte ranges (RFC 9110 §14): one range is honoured, several are answered with the whole file.

use std::ops::Range;

/// What a Range field asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Everything: there is no range, or none that this server understands.
    Whole,
    /// These bytes; never none.
    Part(Range<u64>),
    /// Bytes that are not there.
    Unsatisfiable,
}

/// Reads the value of a Range field against a file of `size` bytes.
pub(crate) fn asked(value: &[u8], size: u64) -> Asked {
    let Some(spec) = std::str::from_utf8(value).ok().and_then(after_unit) else {
        return Asked::Whole;
    };
    let Some((first, last)) = spec.trim_ascii().split_once('-') else { return Asked::Whole };
    let (Some(first), Some(last)) = (position(first), position(last)) else { return Asked::Whole };
    let part = match (first, last) {
        (Some(first), Some(last)) if first > last => return Asked::Whole,
        (Some(first), Some(last)) => first..last.saturating_add(1).min(size),
        (Some(first), None) => first..size,
        (None, Some(suffix)) => size.saturating_sub(suffix)..size,
        (None, None) => return Asked::Whole,
    };
    if part.is_empty() { Asked::Unsatisfiable } else { Asked::Part(part) }
}

fn after_unit(value: &str) -> Option<&str> {
    let (unit, spec) = value.split_once('=')?;
    unit.trim_ascii().eq_ignore_ascii_case("bytes").then_some(spec)
}

/// A position, an absent one (`Some(None)`), or None where there is no number. One too large to
/// count lies behind every file.
fn position(digits: &str) -> Option<Option<u64>> {
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some((!digits.is_empty()).then(|| digits.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests;
