//! The server's answer to one command: how many messages it has, and what they say.
//!
//! ```text
//!   First ─ OK, ERR ──────────────────────────────────────────────▶ all
//!     │  └─ 0xfb: asks for a file; what comes of it is First again
//!     │
//!     ├─ n columns ─▶ Definitions n ─▶ (EOF) ─▶ Rows ─▶ EOF, OK ──▶ all, or First again
//!     └─ prepared ──▶ Definitions, each list with its (EOF) ──────▶ all   (SERVER_MORE_RESULTS)
//! ```
//! Of definitions and rows only the first byte is looked at. An EOF after definitions is left out
//! if that was agreed; after rows an OK packet with the header 0xfe stands for it then.

use crate::relay::greeting::Agreed;
use crate::relay::mask::{self, Backslash, Extent};

/// What sort of answer a command has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// That of a statement.
    Statement,
    /// That of COM_STMT_PREPARE.
    Prepare,
    /// An exchange that ends with OK or ERR.
    Login,
    /// Rows, or definitions, without a beginning.
    Rows,
    /// One message, whatever it is.
    Single,
}

/// What has come of a command with the message that has just ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Came {
    /// There is more to come.
    Part,
    /// The server asks for a file of the client's.
    AskForFile,
    /// The answer is whole.
    All(Told),
    /// Nothing that is known.
    Strange,
}

/// What an answer told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) rows: u64,
    pub(super) error: Option<String>,
    /// The id of a statement that is prepared now.
    pub(super) prepared: Option<u32>,
    /// What a backslash means from now on.
    pub(super) backslash: Option<Backslash>,
}

/// An answer on its way.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// The length of the message's first packet.
    length: usize,
    /// The message's beginning: of rows and definitions mostly the first byte.
    head: Vec<u8>,
    stage: Stage,
    rows: u64,
    /// Kept while the definitions of a prepared statement come.
    prepared: Option<u32>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    First,
    /// So many messages are still to come before the rows, or the end.
    Definitions {
        left: u32,
    },
    /// The EOF between definitions and rows.
    Between,
    Rows,
}

impl Answer {
    /// A message begins.
    pub(super) fn begin(&mut self, length: usize) {
        self.length = length;
        self.head.clear();
    }

    /// Some of its bytes.
    pub(super) fn keep(&mut self, bytes: &[u8]) {
        let first = *self.head.first().unwrap_or(&bytes[0]);
        let wanted = match self.stage {
            Stage::First | Stage::Between => HEAD_BYTES_MAX,
            Stage::Definitions { .. } => 1,
            Stage::Rows if first >= EOF => HEAD_BYTES_MAX,
            Stage::Rows => 1,
        };
        let room = wanted.saturating_sub(self.head.len());
        self.head.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// Whether the message is an error.
    pub(super) fn is_error(&self) -> bool {
        self.head.first() == Some(&ERR)
    }

    /// The message has ended.
    pub(super) fn end(&mut self, kind: Kind, agreed: Agreed) -> Came {
        let came = match (self.stage, self.head.first()) {
            // A report of progress: a message of its own between others (ALTER TABLE, say).
            (_, Some(&ERR)) if self.head.starts_with(&[ERR, 0xff, 0xff]) => Came::Part,
            (_, Some(&ERR)) => self.error(),
            (Stage::First, _) => match kind {
                Kind::Statement => self.first(agreed),
                Kind::Prepare => self.first_of_prepare(agreed),
                Kind::Login => self.login(),
                Kind::Rows => self.row(agreed),
                Kind::Single => self.single(),
            },
            (Stage::Definitions { left }, Some(_)) => self.definition(left, kind, agreed),
            (Stage::Between, Some(&EOF)) => match eof_status(&self.head) {
                // A cursor: the rows come with COM_STMT_FETCH.
                Some(status) if status & CURSOR_EXISTS != 0 => self.all(Some(status)),
                Some(_) => self.then(Stage::Rows),
                None => Came::Strange,
            },
            (Stage::Rows, Some(_)) => self.row(agreed),
            _ => Came::Strange,
        };
        if let Came::All(_) = came {
            (self.stage, self.rows, self.prepared) = (Stage::First, 0, None);
        }
        came
    }

    fn then(&mut self, stage: Stage) -> Came {
        self.stage = stage;
        Came::Part
    }

    /// The answer to a statement begins, or one more of its results.
    fn first(&mut self, agreed: Agreed) -> Came {
        match self.head.first() {
            Some(&OK) => match ok(&self.head) {
                Some((changed, status)) => {
                    self.rows = self.rows.saturating_add(changed);
                    self.result_ends(status)
                }
                None => Came::Strange,
            },
            Some(&LOCAL_INFILE) => Came::AskForFile,
            _ => self.columns(agreed),
        }
    }

    /// How many columns the rows have, and whether their definitions follow.
    fn columns(&mut self, agreed: Agreed) -> Came {
        let Some((columns, rest)) = number(&self.head) else { return Came::Strange };
        let left = match (u32::try_from(columns), agreed.cached_columns, rest) {
            (Ok(1..=COLUMNS_MAX), true, [0]) => 0,
            (Ok(columns @ 1..=COLUMNS_MAX), true, [1]) => columns,
            (Ok(columns @ 1..=COLUMNS_MAX), false, []) => columns,
            _ => return Came::Strange,
        };
        match (left, agreed.no_eof) {
            (0, true) => self.then(Stage::Rows),
            (0, false) => self.then(Stage::Between),
            (left, _) => self.then(Stage::Definitions { left }),
        }
    }

    /// The statement's id, how many columns its rows have, how many parameters it has.
    fn first_of_prepare(&mut self, agreed: Agreed) -> Came {
        let [OK, i0, i1, i2, i3, c0, c1, p0, p1, ..] = self.head[..] else { return Came::Strange };
        self.prepared = Some(u32::from_le_bytes([i0, i1, i2, i3]));
        let lists = [u16::from_le_bytes([p0, p1]), u16::from_le_bytes([c0, c1])];
        let eof = |list: u16| u32::from(list > 0 && !agreed.no_eof);
        match lists.iter().map(|list| u32::from(*list) + eof(*list)).sum() {
            0 => self.all(None),
            left => self.then(Stage::Definitions { left }),
        }
    }

    fn definition(&mut self, left: u32, kind: Kind, agreed: Agreed) -> Came {
        match (left - 1, kind) {
            (0, Kind::Prepare) => self.all(None),
            (0, _) if agreed.no_eof => self.then(Stage::Rows),
            (0, _) => self.then(Stage::Between),
            (left, _) => self.then(Stage::Definitions { left }),
        }
    }

    /// One message, whatever it is. An OK says what a backslash means from now on: a connection that
    /// is reset has the server's settings again.
    fn single(&mut self) -> Came {
        let status = match self.head.first() {
            Some(&OK) => ok(&self.head).map(|(_, status)| status),
            _ => None,
        };
        self.all(status)
    }

    /// OK ends it; anything else is a step on the way.
    fn login(&mut self) -> Came {
        match (self.head.first(), ok(&self.head)) {
            (Some(&OK), Some((_, status))) => self.all(Some(status)),
            (Some(&OK) | None, _) => Came::Strange,
            _ => Came::Part,
        }
    }

    /// A row; or the end of them: a row that begins with this byte is of the greatest length.
    fn row(&mut self, agreed: Agreed) -> Came {
        let status = match self.head.first() {
            Some(&EOF) if agreed.no_eof && self.length < PACKET_BYTES_MAX => {
                ok(&self.head).map(|(_, status)| status)
            }
            Some(&EOF) if !agreed.no_eof && self.length < EOF_BYTES_MAX => eof_status(&self.head),
            Some(_) => {
                self.rows = self.rows.saturating_add(1);
                return self.then(Stage::Rows);
            }
            None => None,
        };
        match status {
            Some(status) => self.result_ends(status),
            None => Came::Strange,
        }
    }

    fn result_ends(&mut self, status: u16) -> Came {
        match status & MORE_RESULTS {
            0 => self.all(Some(status)),
            _ => self.then(Stage::First),
        }
    }

    fn all(&mut self, status: Option<u16>) -> Came {
        let backslash = status.map(|status| match status & NO_BACKSLASH_ESCAPES {
            0 => Backslash::Escapes,
            _ => Backslash::Plain,
        });
        Came::All(Told { rows: self.rows, error: None, prepared: self.prepared, backslash })
    }

    /// `1062 (23000): Duplicate entry ?`
    fn error(&mut self) -> Came {
        let Some((code, rest)) = self.head[1..].split_first_chunk::<2>() else {
            return Came::Strange;
        };
        let code = u16::from_le_bytes(*code);
        let (state, text) = match rest {
            [b'#', state @ ..] if state.len() >= 5 => state.split_at(5),
            text => (&b"HY000"[..], text),
        };
        // The server's own limit is 512 bytes: what is about as long may have been cut there.
        let extent = if text.len() >= ERROR_BYTES_MAX { Extent::Cut } else { Extent::Whole };
        let state: String = state
            .iter()
            .map(|byte| char::from(*byte))
            .filter(char::is_ascii_alphanumeric)
            .collect();
        let text = match code {
            // SIGNAL: the text is the application's own, and may be all values.
            ER_SIGNAL_EXCEPTION => "?".to_owned(),
            _ => mask::error(&text[..text.len().min(ERROR_BYTES_MAX)], extent),
        };
        let error = Some(format!("{code} ({state}): {text}"));
        // An error carries no status, and something before it may have changed the settings.
        let backslash = Some(Backslash::Unsure);
        Came::All(Told { rows: self.rows, error, prepared: None, backslash })
    }
}

/// How many rows were changed, and the status, from an OK packet.
fn ok(payload: &[u8]) -> Option<(u64, u16)> {
    let (changed, rest) = number(payload.get(1..)?)?;
    let (_, rest) = number(rest)?;
    let status = rest.first_chunk::<2>()?;
    Some((changed, u16::from_le_bytes(*status)))
}

/// The status, from an EOF packet: `0xfe | warnings 2 | status 2`.
fn eof_status(payload: &[u8]) -> Option<u16> {
    let status = payload.get(3..)?.first_chunk::<2>()?;
    Some(u16::from_le_bytes(*status))
}

/// A length-encoded integer and what follows it.
fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let length = match first {
        0..=0xfa => return Some((u64::from(*first), rest)),
        0xfc => 2,
        0xfd => 3,
        0xfe => 8,
        _ => return None,
    };
    let (number, rest) = rest.split_at_checked(length)?;
    Some((number.iter().rev().fold(0, |all, byte| all << 8 | u64::from(*byte)), rest))
}

const OK: u8 = 0x00;
const LOCAL_INFILE: u8 = 0xfb;
const EOF: u8 = 0xfe;
const ERR: u8 = 0xff;
const ER_SIGNAL_EXCEPTION: u16 = 1644;
const MORE_RESULTS: u16 = 0x0008;
const CURSOR_EXISTS: u16 = 0x0040;
const NO_BACKSLASH_ESCAPES: u16 = 0x0200;
/// The server allows 4096 in a table, and no more than the bytes of this in a result.
const COLUMNS_MAX: u32 = 0xffff;
/// A row that begins with 0xfe is longer than an EOF packet can be.
const EOF_BYTES_MAX: usize = 9;
const PACKET_BYTES_MAX: usize = crate::relay::packet::PAYLOAD_BYTES_MAX;
const ERROR_BYTES_MAX: usize = 500;
const HEAD_BYTES_MAX: usize = 1 + 2 + 6 + ERROR_BYTES_MAX;
