//! What of a file to send: preconditions, then ranges, in the order of RFC 9110 §13.2.2.

use std::ops::Range;

use http::Method;

use super::File;
use super::range::{self, Asked};
use crate::date;
use crate::h1::head::Head;

/// The answer a request for a file gets.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// 200: all of it.
    Whole,
    /// 206: these bytes.
    Part(Range<u64>),
    /// 304: the client has it already.
    NotModified,
    /// 412: it is not what the client takes it for.
    Failed,
    /// 416: it has no such bytes.
    Unsatisfiable,
}

/// Decides what a request for `file` gets.
pub(crate) fn verdict(head: &Head, file: &File) -> Verdict {
    if !still_matches(head, file) {
        return Verdict::Failed;
    }
    if is_known(head, file) {
        return Verdict::NotModified;
    }
    let mut ranges = head.list("range");
    match (ranges.next(), ranges.next()) {
        // Range is defined for GET alone (RFC 9110 §14.2).
        (Some(value), None) if head.method == Method::GET && range_applies(head, file) => {
            match range::asked(value, file.size) {
                Asked::Whole => Verdict::Whole,
                Asked::Part(part) => Verdict::Part(part),
                Asked::Unsatisfiable => Verdict::Unsatisfiable,
            }
        }
        _ => Verdict::Whole,
    }
}

/// If-Match, or else If-Unmodified-Since (§13.1.1, §13.1.4). If-Match compares strongly.
fn still_matches(head: &Head, file: &File) -> bool {
    if head.get("if-match").is_some() {
        return head.list("if-match").any(|tag| tag == b"*" || tag == &file.tag[..]);
    }
    match head.get("if-unmodified-since").and_then(date::parse) {
        Some(date) => file.modified <= date,
        None => true,
    }
}

/// If-None-Match, or else If-Modified-Since (§13.1.2, §13.1.3). If-None-Match compares weakly.
fn is_known(head: &Head, file: &File) -> bool {
    if head.get("if-none-match").is_some() {
        return head
            .list("if-none-match")
            .any(|tag| tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == &file.tag[..]);
    }
    match head.get("if-modified-since").and_then(date::parse) {
        Some(date) => file.modified <= date,
        None => false,
    }
}

/// If-Range (§13.1.5): the range counts only for the very file the client has a part of. Both forms
/// compare strongly; a date must be exactly ours.
fn range_applies(head: &Head, file: &File) -> bool {
    match head.get("if-range") {
        None => true,
        Some(tag) if tag.ends_with(b"\"") => tag == &file.tag[..],
        Some(date) => date == &file.modified_date()[..],
    }
}

#[cfg(test)]
mod tests;
