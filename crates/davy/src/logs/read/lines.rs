//! Bytes as they are read → lines. Pure.

use std::collections::VecDeque;

/// Cuts bytes into lines; of a line that is too long only the beginning is kept.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines {
    ready: VecDeque<String>,
    /// The beginning of a line whose end was not seen yet.
    begun: Vec<u8>,
    cut: bool,
}

impl Lines {
    /// Takes bytes in.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let text = part.strip_suffix(b"\n").unwrap_or(part);
            let room = LINE_BYTES_MAX - self.begun.len();
            self.cut |= text.len() > room;
            self.begun.extend_from_slice(&text[..text.len().min(room)]);
            if text.len() < part.len() {
                self.finish();
            }
        }
    }

    /// Ends a line that was begun: nothing will follow in its file.
    pub(super) fn end(&mut self) {
        if !self.begun.is_empty() {
            self.finish();
        }
    }

    /// Forgets a line that was begun: its file was emptied.
    pub(super) fn forget_begun(&mut self) {
        self.begun.clear();
        self.cut = false;
    }

    /// The next whole line.
    pub(super) fn pop(&mut self) -> Option<String> {
        self.ready.pop_front()
    }

    fn finish(&mut self) {
        let mut line = String::from_utf8_lossy(&self.begun).into_owned();
        if std::mem::take(&mut self.cut) {
            line.push('…');
        }
        self.begun.clear();
        self.ready.push_back(line);
    }
}

/// Far longer than any line that davy writes: a target of 8 KiB, all of it escaped, has 80 KiB.
pub(super) const LINE_BYTES_MAX: usize = 128 * 1024;
