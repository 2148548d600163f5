//! The statements of one connection, seen in the bytes that pass: which, when, what came of them.
//!
//! ```text
//!   client ── command ──────────────▶ ┐ asked: the commands whose answers are still to come,
//!            (several, if it hurries) │ in their order
//!   client ◀──────────────── answer ─ ┘ one or many messages; with the last, the first of them
//!                                       is done and, if it was a statement, told
//! ```
//! It only looks. Nothing of a result is copied but the beginning of some messages, and of a
//! statement no more than is shown. What it does not know makes it lose its thread: from then on it
//! is silent for this connection, and the bytes pass as before.
//!
//! The reference is <https://mariadb.com/kb/en/clientserver-protocol/>.

mod answer;
mod prepared;

use std::collections::VecDeque;

use flow::{QUERY_TEXT_MAX, Query, Stamp};

use super::greeting::Agreed;
use super::mask::{self, Backslash, Extent};
use super::packet::{Framing, Piece};
use answer::{Answer, Came, Kind, Told};
use prepared::Prepared;

/// Follows one connection, from after the client's answer to the greeting.
#[derive(Debug)]
pub(crate) struct Watch {
    pid: u32,
    agreed: Agreed,
    up: Framing,
    down: Framing,
    /// The beginning of the message that the client is sending.
    sent: Vec<u8>,
    look: Look,
    attention: Attention,
    asked: VecDeque<Asked>,
    answer: Answer,
    prepared: Prepared,
    backslash: Backslash,
    /// Whether the client is sending a file (LOAD DATA LOCAL INFILE): until a message of nothing.
    file: File,
    thread: Thread,
}

/// What a message of the client is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Look {
    /// Not a command.
    #[default]
    Past,
    /// A command; so many bytes of it are kept.
    Command { keep: usize },
    /// A piece of a file.
    File,
}

/// How closely it looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Attention {
    /// Where commands and answers begin and end, so that it can look closer later.
    #[default]
    Course,
    /// What the statements are, too.
    Statements,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum File {
    #[default]
    None,
    Sending,
}

/// Whether it is still known what is what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Thread {
    #[default]
    Held,
    Lost,
}

/// A command whose answer is still to come.
#[derive(Debug)]
struct Asked {
    kind: Kind,
    text: String,
    begun: Stamp,
}

impl Watch {
    /// Watches the connection of the process `pid`, that logs in just now.
    pub(crate) fn new(pid: u32, agreed: Agreed, now: Stamp) -> Watch {
        let login = Asked { kind: Kind::Login, text: String::new(), begun: now };
        Watch {
            pid,
            agreed,
            up: Framing::default(),
            down: Framing::default(),
            sent: Vec::new(),
            look: Look::default(),
            attention: Attention::default(),
            asked: VecDeque::from([login]),
            answer: Answer::default(),
            prepared: Prepared::default(),
            backslash: Backslash::default(),
            file: File::default(),
            thread: Thread::default(),
        }
    }

    /// Whether it has lost its thread, and is silent.
    pub(crate) fn is_lost(&self) -> bool {
        self.thread == Thread::Lost
    }

    /// Looks at bytes of the client. Of a command that begins with `attention` to its course alone
    /// nothing is told later.
    pub(crate) fn sent(&mut self, mut bytes: &[u8], now: Stamp, attention: Attention) {
        while self.thread == Thread::Held
            && let Some(piece) = self.up.next(&mut bytes)
        {
            match (piece, self.look) {
                (Piece::Begin { sequence, length }, _) => {
                    self.attention = attention;
                    self.begin(sequence, length);
                }
                (Piece::Bytes(bytes), Look::Command { keep }) => self.keep(bytes, keep),
                (Piece::End, Look::Command { .. }) => self.command(now),
                (Piece::Bytes(_) | Piece::End, _) => {}
            }
        }
    }

    fn begin(&mut self, sequence: u8, length: usize) {
        self.sent.clear();
        self.look = match (self.file, sequence) {
            (File::Sending, _) => Look::File,
            // The byte that names the command says how much more is wanted.
            (File::None, 0) => Look::Command { keep: 1 },
            (File::None, _) => Look::Past,
        };
        if length == 0 && self.look == Look::File {
            self.file = File::None;
        }
    }

    fn keep(&mut self, bytes: &[u8], mut keep: usize) {
        if self.sent.is_empty() {
            keep = match bytes[0] {
                COM_QUERY if self.attention == Attention::Course => 1,
                COM_QUERY | COM_STMT_PREPARE => 1 + TEXT_BYTES_MAX + 1,
                _ => 1 + 4,
            };
            self.look = Look::Command { keep };
        }
        let room = keep.saturating_sub(self.sent.len());
        self.sent.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// A command is whole.
    fn command(&mut self, now: Stamp) {
        let Some((command, rest)) = self.sent.split_first() else { return self.lose() };
        let id = rest.first_chunk::<4>().map(|id| u32::from_le_bytes(*id));
        let ask = match (*command, id) {
            (COM_QUIT | COM_STMT_SEND_LONG_DATA, _) => return,
            (COM_STMT_CLOSE, Some(id)) => return self.prepared.close(id),
            (COM_QUERY | COM_STMT_EXECUTE | COM_STMT_BULK_EXECUTE, _)
                if self.attention == Attention::Course =>
            {
                (Kind::Statement, String::new())
            }
            (COM_QUERY, _) => (Kind::Statement, self.text(rest)),
            (COM_STMT_PREPARE, _) => (Kind::Prepare, self.text(rest)),
            (COM_STMT_EXECUTE | COM_STMT_BULK_EXECUTE, Some(id)) => {
                (Kind::Statement, self.prepared_text(id))
            }
            (COM_STMT_FETCH, _) => (Kind::Rows, String::new()),
            (COM_FIELD_LIST, _) => (Kind::Rows, String::new()),
            (COM_PROCESS_INFO, _) => (Kind::Statement, String::new()),
            (COM_CHANGE_USER | COM_RESET_CONNECTION, _) => {
                self.prepared.clear();
                let kind = if *command == COM_CHANGE_USER { Kind::Login } else { Kind::Single };
                (kind, String::new())
            }
            (command, _) if SINGLE.contains(&command) => (Kind::Single, String::new()),
            _ => return self.lose(),
        };
        if self.asked.len() == ASKED_MAX {
            return self.lose();
        }
        let (kind, text) = ask;
        self.asked.push_back(Asked { kind, text, begun: now });
    }

    /// A statement, masked. While answers are still to come one of them may change what a backslash
    /// means.
    fn text(&self, text: &[u8]) -> String {
        let backslash = match self.asked.is_empty() {
            true => self.backslash,
            false => Backslash::Unsure,
        };
        let extent = if text.len() > TEXT_BYTES_MAX { Extent::Cut } else { Extent::Whole };
        mask::statement(&text[..text.len().min(TEXT_BYTES_MAX)], extent, backslash)
    }

    /// What was prepared as `id`; MariaDB's clients may say "the last one" before they know its id.
    fn prepared_text(&self, id: u32) -> String {
        let prepares = |asked: &&Asked| asked.kind == Kind::Prepare;
        let text = match (id, self.asked.iter().rfind(prepares)) {
            (LAST_PREPARED, Some(asked)) => Some(asked.text.as_str()),
            (LAST_PREPARED, None) => self.prepared.last(),
            _ => self.prepared.get(id),
        };
        text.unwrap_or(NOT_KEPT).to_owned()
    }

    /// Looks at bytes of the server, and tells of each statement they end.
    pub(crate) fn answered(&mut self, mut bytes: &[u8], now: Stamp, tell: &mut impl FnMut(Query)) {
        while self.thread == Thread::Held
            && let Some(piece) = self.down.next(&mut bytes)
        {
            match piece {
                Piece::Begin { length, .. } => self.answer.begin(length),
                Piece::Bytes(bytes) => self.answer.keep(bytes),
                Piece::End => self.message(now, tell),
            }
        }
    }

    /// A message of the server is whole.
    fn message(&mut self, now: Stamp, tell: &mut impl FnMut(Query)) {
        let came = match self.asked.front() {
            Some(asked) => self.answer.end(asked.kind, self.agreed),
            // Unasked, it says that it closes, and why.
            None if self.answer.is_error() => Came::Part,
            None => Came::Strange,
        };
        match came {
            Came::Part => {}
            Came::AskForFile if self.asked.len() == 1 => self.file = File::Sending,
            Came::Strange | Came::AskForFile => self.lose(),
            Came::All(told) => self.done(told, now, tell),
        }
    }

    /// The answer to the first of the commands is whole.
    fn done(&mut self, told: Told, now: Stamp, tell: &mut impl FnMut(Query)) {
        let Some(Asked { kind, text, begun }) = self.asked.pop_front() else { return };
        if let Some(backslash) = told.backslash {
            self.backslash = backslash;
        }
        if let Some(id) = told.prepared {
            self.prepared.keep(id, text);
            return;
        }
        let is_statement = match kind {
            Kind::Statement => !text.is_empty(),
            Kind::Prepare => true,
            Kind::Login | Kind::Rows | Kind::Single => false,
        };
        if is_statement {
            let (pid, rows, error) = (self.pid, told.rows, told.error);
            tell(Query { pid, begun, ended: now, text, rows, error });
        }
    }

    /// The connection has ended: statements that are still without an answer will have none.
    pub(crate) fn closed(&mut self, now: Stamp, tell: &mut impl FnMut(Query)) {
        let lost = Told { error: Some(LOST_CONNECTION.to_owned()), ..Told::default() };
        while self.thread == Thread::Held && !self.asked.is_empty() {
            self.done(lost.clone(), now, tell);
        }
    }

    fn lose(&mut self) {
        self.thread = Thread::Lost;
        self.sent = Vec::new();
        self.asked = VecDeque::new();
        self.answer = Answer::default();
        self.prepared.clear();
    }
}

/// Of a statement so many bytes are read: more than are shown, for values are shorter when masked.
const TEXT_BYTES_MAX: usize = 2 * QUERY_TEXT_MAX;
/// Commands that a client may send ahead of their answers.
const ASKED_MAX: usize = 64;

/// The statement id that stands for the one prepared last.
const LAST_PREPARED: u32 = u32::MAX;
const NOT_KEPT: &str = "(a prepared statement whose text was not kept)";
/// What clients call it: CR_SERVER_LOST.
const LOST_CONNECTION: &str = "2013 (HY000): the connection ended before the answer did";

const COM_QUIT: u8 = 0x01;
const COM_QUERY: u8 = 0x03;
const COM_FIELD_LIST: u8 = 0x04;
const COM_PROCESS_INFO: u8 = 0x0a;
const COM_CHANGE_USER: u8 = 0x11;
const COM_STMT_PREPARE: u8 = 0x16;
const COM_STMT_EXECUTE: u8 = 0x17;
const COM_STMT_SEND_LONG_DATA: u8 = 0x18;
const COM_STMT_CLOSE: u8 = 0x19;
const COM_STMT_FETCH: u8 = 0x1c;
const COM_RESET_CONNECTION: u8 = 0x1f;
const COM_STMT_BULK_EXECUTE: u8 = 0xfa;
/// Commands that are no statements, and are answered by one message: INIT_DB, CREATE_DB, DROP_DB,
/// REFRESH, SHUTDOWN, STATISTICS, PROCESS_KILL, DEBUG, PING, STMT_RESET, SET_OPTION.
const SINGLE: [u8; 11] = [0x02, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0c, 0x0d, 0x0e, 0x1a, 0x1b];

#[cfg(test)]
mod tests;
