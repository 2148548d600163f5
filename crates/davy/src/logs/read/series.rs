//! One log: the files `edge.log.4` … `edge.log.1`, `edge.log`, read as the one that they are.
//!
//! ```text
//!              pieces, oldest first                     edge.log is written to; when it is full
//!   ┌────────────┐ ┌────────────┐ ┌─────────╌╌╌╌        it becomes edge.log.1, and a new one is
//!   │ edge.log.2 │ │ edge.log.1 │ │ edge.log            made. A piece is known by its inode, so
//!   └────────────┘ └──────▲─────┘ └─────────╌╌╌╌        a rename changes nothing here.
//!            dropped      at              ▲ end
//! ```
//! A file that is open stays readable when it is renamed or removed. So no line is lost as long as
//! the reader is not five files behind; then it goes on at the oldest that is left.

use std::collections::VecDeque;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::super::{FILES_MAX, numbered};
use super::lines::Lines;

/// One log, over its rotations.
#[derive(Clone, Debug)]
pub(super) struct Series {
    path: PathBuf,
    /// Oldest first. The last is the newest that was seen, and stays here when it was read.
    pieces: VecDeque<Piece>,
    lines: Lines,
    /// The line that is handed out next.
    next: Option<Entry>,
    /// The time of the line before.
    time: String,
    /// Whether what was seen is all that will be read.
    complete: bool,
}

/// A line of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    line: String,
    /// Where its time ends; 0: it has none of its own.
    time_end: usize,
}

impl Series {
    /// A log that was not looked at yet.
    pub(super) fn new(path: PathBuf) -> Series {
        let (pieces, lines) = (VecDeque::new(), Lines::default());
        Series { path, pieces, lines, next: None, time: String::new(), complete: false }
    }

    /// Looks for new files, and how long all of them are.
    pub(super) fn refresh(&mut self) {
        let known = self.pieces.back().map(|piece| piece.id);
        let is_news = match fs::metadata(&self.path) {
            Ok(found) => Some(id(&found)) != known,
            // Between two files, or removed: what is open can still be read.
            Err(_) => known.is_none(),
        };
        if is_news {
            let mut newer = self.newer_than(known);
            newer.reverse();
            self.pieces.extend(newer);
        }
        for piece in &mut self.pieces {
            // Only the first is begun; the others lie before the reader.
            if piece.refresh() == Length::Shorter {
                self.lines.forget_begun();
            }
        }
    }

    /// Takes what was seen for all there is: a line that was begun is one too.
    pub(super) fn complete(&mut self) {
        self.complete = true;
    }

    /// The files after a known one, newest first. While a file is renamed its number only grows, so
    /// that looking through growing numbers finds each, if not once then twice.
    fn newer_than(&self, known: Option<Id>) -> Vec<Piece> {
        let mut newer: Vec<Piece> = Vec::new();
        for n in 0..FILES_MAX {
            let path = if n == 0 { self.path.clone() } else { numbered(&self.path, n) };
            let Some(piece) = Piece::open(&path) else { continue };
            if Some(piece.id) == known {
                break;
            }
            if newer.last().is_none_or(|last| last.id != piece.id) {
                newer.push(piece);
            }
        }
        newer
    }

    /// Goes to where the last `count` lines begin; how many there really are. For a log of which
    /// nothing was read yet.
    pub(super) fn go_to_last(&mut self, count: u64) -> io::Result<u64> {
        let mut found = 0;
        for index in (0..self.pieces.len()).rev() {
            let is_newest = index + 1 == self.pieces.len();
            if found == count && !is_newest {
                self.pieces.drain(..=index);
                break;
            }
            let piece = &mut self.pieces[index];
            let (at, lines) = piece.last(count - found)?;
            piece.at = at;
            found += lines;
        }
        Ok(found)
    }

    /// The time of the next line, if there is one; of one without a time, that of the line before.
    pub(super) fn next_time(&mut self) -> io::Result<Option<&str>> {
        if self.next.is_none() {
            self.next = self.read()?.map(Entry::new);
            if let Some(time) = self.next.as_ref().and_then(Entry::time) {
                time.clone_into(&mut self.time);
            }
        }
        Ok(self.next.as_ref().map(|_| self.time.as_str()))
    }

    /// The next line.
    pub(super) fn next(&mut self) -> io::Result<Option<Entry>> {
        self.next_time()?;
        Ok(self.next.take())
    }

    fn read(&mut self) -> io::Result<Option<String>> {
        loop {
            if let Some(line) = self.lines.pop() {
                return Ok(Some(line));
            }
            let Some(piece) = self.pieces.front_mut() else { return Ok(None) };
            if piece.at < piece.end {
                piece.read(&mut self.lines)?;
            } else if self.pieces.len() > 1 {
                self.pieces.pop_front();
                self.lines.end();
            } else {
                if self.complete {
                    self.lines.end();
                }
                return Ok(self.lines.pop());
            }
        }
    }
}

impl Entry {
    fn new(line: String) -> Entry {
        let is_time = line.len() >= TIME.len()
            && line.bytes().zip(TIME.bytes()).all(|(found, wanted)| match wanted {
                b'0' => found.is_ascii_digit(),
                _ => found == wanted,
            });
        Entry { time_end: if is_time { TIME.len() } else { 0 }, line }
    }

    /// When it was written. None: it belongs to the line before.
    pub(super) fn time(&self) -> Option<&str> {
        (self.time_end > 0).then(|| &self.line[..self.time_end])
    }

    /// What it says.
    pub(super) fn said(&self) -> &str {
        let said = &self.line[self.time_end..];
        said.strip_prefix(' ').unwrap_or(said)
    }
}

/// A file's device and inode.
type Id = (u64, u64);

fn id(found: &Metadata) -> Id {
    (found.dev(), found.ino())
}

/// A file of a log.
#[derive(Clone, Debug)]
struct Piece {
    file: Rc<File>,
    id: Id,
    /// How far it was read.
    at: u64,
    /// How long it was when it was last looked at.
    end: u64,
}

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    /// It is as long as it was read, or longer.
    Longer,
    /// Somebody emptied it; it is read anew.
    Shorter,
}

impl Piece {
    /// None when there is no such file, or none that may be read.
    fn open(path: &Path) -> Option<Piece> {
        // Asked before opening, because opening a pipe would wait for somebody to write into it.
        fs::metadata(path).ok().filter(Metadata::is_file)?;
        let file = File::open(path).ok()?;
        let id = id(&file.metadata().ok()?);
        Some(Piece { file: Rc::new(file), id, at: 0, end: 0 })
    }

    fn refresh(&mut self) -> Length {
        self.end = self.file.metadata().map_or(self.end, |found| found.len());
        if self.at <= self.end {
            return Length::Longer;
        }
        self.at = 0;
        Length::Shorter
    }

    fn read(&mut self, lines: &mut Lines) -> io::Result<()> {
        let mut block = [0; BLOCK];
        let wanted = usize::try_from(self.end - self.at).map_or(BLOCK, |left| left.min(BLOCK));
        let count = self.file.read_at(&mut block[..wanted], self.at)?;
        lines.push(&block[..count]);
        self.at += count as u64;
        if count == 0 {
            // Emptied since; the next look at it tells.
            self.end = self.at;
        }
        Ok(())
    }

    /// Where its last `count` lines begin, and how many there are.
    fn last(&self, count: u64) -> io::Result<(u64, u64)> {
        let mut block = [0; BLOCK];
        let (mut end, mut found) = (self.end, 0);
        if count == 0 || end == 0 {
            return Ok((end, 0));
        }
        while end > 0 {
            let start = end.saturating_sub(BLOCK as u64);
            let block = &mut block[..usize::try_from(end - start).unwrap_or(BLOCK)];
            self.file.read_exact_at(block, start)?;
            let newlines = block.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n');
            // A newline at the end of all ends a line, and begins none.
            let begins = newlines.map(|(at, _)| start + at as u64 + 1).filter(|at| *at < self.end);
            for begin in begins {
                found += 1;
                if found == count {
                    return Ok((begin, found));
                }
            }
            end = start;
        }
        Ok((0, found + 1))
    }
}

/// What a line begins with; any digit may stand for a 0.
const TIME: &str = "0000-00-00T00:00:00.000000Z";
const BLOCK: usize = 64 * 1024;
