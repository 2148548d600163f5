//! A statement as it may be shown: every value in it replaced by `?`.
//!
//! ```text
//!   SELECT * FROM `book`  WHERE title='It''s' AND id IN (1, 2, 3) -- by hand
//!   SELECT * FROM `book` WHERE title=? AND id IN (?…)
//! ```
//! It is a lexer and no parser: literals, names, comments. A value must never be shown, so where
//! two readings are possible, of which one would show what the other takes for a value, the text
//! ends there with `…`. That is so with
//! - a backslash before a quote, if it is not known whether it escapes it (NO_BACKSLASH_ESCAPES,
//!   ANSI_QUOTES), or after a byte that could be the first of a character it belongs to;
//! - `/*! … */`, which is code for some servers and a comment for others;
//! - a second statement, for the first may change how it is read;
//! - bytes that are no UTF-8, outside of quotes; they are shown as `\xNN`.
//!
//! "…" is masked always, though it is a name under ANSI_QUOTES. The text is taken to be of a
//! character set in which no byte of a character looks like a quote. The reference is the server's
//! lexer, `sql/sql_lex.cc`, and <https://mariadb.com/kb/en/literals/>.

use flow::QUERY_TEXT_MAX;

/// Whether all of a statement is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    Whole,
    /// Only its beginning.
    Cut,
}

/// What a backslash means within quotes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Backslash {
    /// The next character is itself.
    #[default]
    Escapes,
    /// A backslash (NO_BACKSLASH_ESCAPES).
    Plain,
    /// One of these.
    Unsure,
}

/// The masked statement, of at most [`QUERY_TEXT_MAX`] bytes; it ends in `…` if it goes on.
pub(crate) fn statement(text: &[u8], extent: Extent, backslash: Backslash) -> String {
    let mut lexer = Lexer { text, at: 0, extent, backslash, shown: Shown::default() };
    let end = lexer.run();
    lexer.shown.finish(if end.is_err() { Extent::Cut } else { extent })
}

/// A server's error text: all from the first quote to the last is masked, for what stands between
/// may have quotes of its own.
pub(crate) fn error(text: &[u8], extent: Extent) -> String {
    let is_quote = |at: &usize| {
        let letter = |at: usize| text.get(at).is_some_and(u8::is_ascii_alphabetic);
        // Not the one of "doesn't".
        matches!(text[*at], b'\'' | b'"' | b'`') && !(letter(at.wrapping_sub(1)) && letter(at + 1))
    };
    let mut shown = Shown::default();
    let first = (0..text.len()).find(is_quote);
    shown.text(&text[..first.unwrap_or(text.len())]);
    if let Some(first) = first {
        shown.symbol('?');
        let last = (0..text.len()).rfind(is_quote).unwrap_or(first);
        match extent {
            Extent::Whole => shown.text(&text[last + 1..]),
            // The last quote there may open something.
            Extent::Cut => {}
        }
    }
    shown.finish(extent)
}

/// The text ends here: what follows can be read in two ways, or is not there.
#[derive(Debug)]
struct End;

struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
    extent: Extent,
    backslash: Backslash,
    shown: Shown,
}

impl Lexer<'_> {
    fn run(&mut self) -> Result<(), End> {
        while let Some(byte) = self.peek(0) {
            if self.shown.is_full() {
                return Err(End);
            }
            match byte {
                b'\'' | b'"' => self.literal(byte)?,
                b'`' => self.quoted_name()?,
                b'#' => self.line_comment(),
                b'-' if self.is_dash_comment() => self.line_comment(),
                b'/' if self.peek(1) == Some(b'*') => self.comment()?,
                b'0'..=b'9' => self.number(),
                b'.' if self.peek(1).is_some_and(|next| next.is_ascii_digit()) => self.number(),
                b';' => self.semicolon()?,
                // A value's place in a statement that is prepared.
                b'?' => {
                    self.shown.value();
                    self.at += 1;
                }
                byte if is_word(byte) => self.word()?,
                ..=b' ' | 0x7f => {
                    self.shown.gap();
                    self.at += 1;
                }
                _ => {
                    self.shown.symbol(char::from(byte));
                    self.at += 1;
                }
            }
        }
        Ok(())
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at + ahead).copied()
    }

    fn rest(&self) -> &[u8] {
        &self.text[self.at..]
    }

    /// A literal of text, from its opening quote on.
    fn literal(&mut self, quote: u8) -> Result<(), End> {
        self.shown.value();
        // Under ANSI_QUOTES this is a name, in which nothing is escaped.
        let backslash = match (quote, self.backslash) {
            (b'"', Backslash::Escapes) => Backslash::Unsure,
            (_, backslash) => backslash,
        };
        self.at += 1;
        while let Some(byte) = self.peek(0) {
            let next = self.peek(1);
            self.at += match (byte, backslash) {
                (b'\\', Backslash::Escapes | Backslash::Unsure)
                    if self.text[self.at - 1] >= 0x80 =>
                {
                    return Err(End);
                }
                (b'\\', Backslash::Unsure) if next == Some(quote) => return Err(End),
                (b'\\', Backslash::Unsure) if next != Some(b'\\') => 1,
                (b'\\', Backslash::Escapes | Backslash::Unsure) => 2,
                _ if byte == quote && next == Some(quote) => 2,
                _ if byte == quote => {
                    self.at += 1;
                    return Ok(());
                }
                _ => 1,
            };
        }
        Err(End)
    }

    /// A name in backticks, shown as it is.
    fn quoted_name(&mut self) -> Result<(), End> {
        let mut length = 1;
        loop {
            match (self.peek(length), self.peek(length + 1)) {
                (None, _) => return Err(End),
                (Some(b'`'), Some(b'`')) => length += 2,
                (Some(b'`'), _) => break,
                (Some(_), _) => length += 1,
            }
        }
        self.name(length + 1)
    }

    /// A keyword or a name; or what says how the literal behind it is to be read.
    fn word(&mut self) -> Result<(), End> {
        let length = self.rest().iter().take_while(|byte| is_word(**byte)).count();
        let word = &self.rest()[..length];
        let is_prefix = matches!(word, [b'x' | b'X' | b'b' | b'B' | b'n' | b'N'])
            || word.first() == Some(&b'_');
        if is_prefix && matches!(self.peek(length), Some(b'\'' | b'"')) {
            self.at += length;
            return Ok(());
        }
        self.name(length)
    }

    /// Shows the next bytes if they are UTF-8; else only up to the first that are not.
    fn name(&mut self, length: usize) -> Result<(), End> {
        let name = &self.text[self.at..self.at + length];
        self.at += length;
        match std::str::from_utf8(name) {
            Ok(name) => {
                self.shown.name(name);
                Ok(())
            }
            Err(error) => {
                let (valid, rest) = name.split_at(error.valid_up_to());
                self.shown.name(&String::from_utf8_lossy(valid));
                // Half a character at the end of a cut text is no fault.
                let is_half = error.error_len().is_none() && self.extent == Extent::Cut;
                if let (false, Some(byte)) = (is_half && self.at == self.text.len(), rest.first()) {
                    self.shown.escaped(*byte);
                }
                Err(End)
            }
        }
    }

    /// A number, with all letters that stick to it: `0xff`, `1e9`, `2nd`.
    fn number(&mut self) {
        let is_part = |byte: &&u8| is_word(**byte) || **byte == b'.';
        self.at += self.rest().iter().take_while(is_part).count();
        self.shown.value();
    }

    /// `--` begins a comment only before a space or the end.
    fn is_dash_comment(&self) -> bool {
        self.peek(1) == Some(b'-') && self.peek(2).is_none_or(|byte| byte <= b' ' || byte == 0x7f)
    }

    fn line_comment(&mut self) {
        self.shown.gap();
        self.at += self.rest().iter().position(|byte| *byte == b'\n').unwrap_or(self.rest().len());
    }

    fn comment(&mut self) -> Result<(), End> {
        self.shown.gap();
        if matches!(self.rest(), [b'/', b'*', b'!', ..] | [b'/', b'*', b'M' | b'm', b'!', ..]) {
            return Err(End);
        }
        let inside = self.rest().get(2..).unwrap_or_default();
        let end = inside.windows(2).position(|two| two == b"*/").ok_or(End)?;
        self.at += 2 + end + 2;
        Ok(())
    }

    /// The end of a statement: nothing but space may follow.
    fn semicolon(&mut self) -> Result<(), End> {
        self.shown.symbol(';');
        self.at += 1;
        match self.rest().iter().all(u8::is_ascii_whitespace) {
            true => Ok(()),
            false => Err(End),
        }
    }
}

/// What a name or keyword consists of; beyond ASCII, everything.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | 0x80..)
}

/// The text that comes of it.
#[derive(Default)]
struct Shown {
    text: String,
    /// Whether a space stands before whatever comes next.
    gap: bool,
}

impl Shown {
    fn is_full(&self) -> bool {
        self.text.len() > QUERY_TEXT_MAX
    }

    fn gap(&mut self) {
        self.gap = true;
    }

    fn space(&mut self) {
        if std::mem::take(&mut self.gap) && !self.text.is_empty() {
            self.text.push(' ');
        }
    }

    fn symbol(&mut self, symbol: char) {
        self.space();
        self.text.push(symbol);
        if symbol == ')' {
            self.join_rows();
        }
    }

    fn name(&mut self, name: &str) {
        self.space();
        for char in name.chars().take(QUERY_TEXT_MAX + 1) {
            match char.is_control() {
                true => self.text.extend(char.escape_default()),
                false => self.text.push(char),
            }
        }
    }

    fn escaped(&mut self, byte: u8) {
        self.space();
        self.text.push_str(&format!("\\x{byte:02x}"));
    }

    /// Bytes of an error's text, which is UTF-8 (`character_set_results`) or shown escaped.
    fn text(&mut self, text: &[u8]) {
        for chunk in text.utf8_chunks() {
            self.name(chunk.valid());
            chunk.invalid().iter().for_each(|byte| self.escaped(*byte));
        }
    }

    /// A value; of several in a row, `?, ?, ?`, one is shown: `?…`.
    fn value(&mut self) {
        let before = self.text.trim_end().strip_suffix(',').map_or("", str::trim_end);
        let length = before.len();
        if before.ends_with('?') {
            self.text.truncate(length);
            self.text.push('…');
        } else if before.ends_with("?…") {
            self.text.truncate(length);
        } else {
            self.space();
            self.text.push('?');
        }
        self.gap = false;
    }

    /// Of several rows, `(?…), (?…)`, one is shown.
    fn join_rows(&mut self) {
        for row in ["(?…)", "(?)"] {
            let before = self.text.strip_suffix(row).map(str::trim_end);
            let before = before.and_then(|before| before.strip_suffix(',')).map(str::trim_end);
            if let Some(before) = before.filter(|before| before.ends_with(row)) {
                let length = before.len();
                self.text.truncate(length);
            }
        }
    }

    fn finish(mut self, extent: Extent) -> String {
        if extent == Extent::Whole && self.text.len() <= QUERY_TEXT_MAX {
            return self.text;
        }
        let end = self.text.floor_char_boundary(QUERY_TEXT_MAX - MORE.len_utf8());
        self.text.truncate(end);
        if !self.text.ends_with(MORE) {
            self.text.push(MORE);
        }
        self.text
    }
}

/// The sign that the text goes on.
const MORE: char = '…';

#[cfg(test)]
mod tests;
