//! The texts of a connection's prepared statements, as they were masked.

use std::collections::BTreeMap;

/// Texts by the server's ids.
#[derive(Debug, Default)]
pub(super) struct Prepared {
    texts: BTreeMap<u32, String>,
    bytes: usize,
    last: u32,
}

impl Prepared {
    /// Keeps a text; when there is no room any more, it is not kept.
    pub(super) fn keep(&mut self, id: u32, text: String) {
        self.close(id);
        self.last = id;
        if self.texts.len() < TEXTS_MAX && self.bytes + text.len() <= BYTES_MAX {
            self.bytes += text.len();
            self.texts.insert(id, text);
        }
    }

    pub(super) fn get(&self, id: u32) -> Option<&str> {
        self.texts.get(&id).map(String::as_str)
    }

    /// The text of the one prepared last.
    pub(super) fn last(&self) -> Option<&str> {
        self.get(self.last)
    }

    /// Forgets one that the client has closed.
    pub(super) fn close(&mut self, id: u32) {
        if let Some(text) = self.texts.remove(&id) {
            self.bytes -= text.len();
        }
    }

    /// Forgets all: the server does so, too.
    pub(super) fn clear(&mut self) {
        *self = Prepared::default();
    }
}

const TEXTS_MAX: usize = 1024;
const BYTES_MAX: usize = 128 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_kept_until_they_are_closed() {
        let mut prepared = Prepared::default();
        assert_eq!(prepared.last(), None);
        prepared.keep(1, "a".into());
        prepared.keep(2, "b".into());
        assert_eq!((prepared.get(1), prepared.last()), (Some("a"), Some("b")));
        prepared.keep(1, "c".into());
        prepared.close(2);
        assert_eq!((prepared.get(1), prepared.get(2), prepared.bytes), (Some("c"), None, 1));
        prepared.clear();
        assert_eq!((prepared.get(1), prepared.bytes), (None, 0));
    }

    #[test]
    fn there_is_room_for_some_and_again_when_they_are_closed() {
        let mut prepared = Prepared::default();
        let long = "x".repeat(1024);
        (0..200).for_each(|id| prepared.keep(id, long.clone()));
        assert_eq!((prepared.texts.len(), prepared.bytes), (128, BYTES_MAX));
        assert_eq!(prepared.last(), None, "it was not kept");
        prepared.close(0);
        prepared.keep(200, long);
        assert!(prepared.last().is_some());
        let mut prepared = Prepared::default();
        (0..2000).for_each(|id| prepared.keep(id, String::new()));
        assert_eq!(prepared.texts.len(), TEXTS_MAX);
    }
}
