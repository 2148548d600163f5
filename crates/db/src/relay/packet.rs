//! Packets of the MySQL protocol, as far as the relay looks at them.
//!
//! ```text
//!   length 3 | sequence 1 | payload        one of 16777215 bytes goes on in the next packet
//! ```
//! [`Walker`] goes along with a client's bytes, however they are cut, and stops at a change of
//! user.
//!
//! A command is a packet whose sequence number is 0: the server ends a connection whose command has
//! another. Packets that are no commands (the further steps of authentication, the lines of a LOAD
//! DATA LOCAL INFILE) count on from the server's; of these only the 256th of a file has the number
//! 0 again. If just that one begins with the byte 0x11 it is taken for a change of user and
//! refused: better a failed upload than a way past the check.

use std::borrow::Cow;

/// Follows a client's packets.
#[derive(Debug, Default)]
pub(crate) struct Walker {
    header: [u8; HEADER_BYTES],
    header_have: usize,
    payload_left: usize,
    /// The packet before this one was of the greatest length, so this one is its continuation.
    goes_on: bool,
    look: Look,
}

/// What is looked for in the payload at hand.
#[derive(Debug, Default)]
enum Look {
    /// Nothing: pass it.
    #[default]
    Past,
    /// The byte that names the command.
    Command,
    /// The name of the user to change to, as far as it is there.
    User(Vec<u8>),
}

/// The user that a client must not become.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) user: Vec<u8>,
}

impl Walker {
    /// Goes along with the next bytes. A user to change to is put to `admits`. As long as the
    /// answer is Ok the bytes may be handed on: a change of user is complete only with its last
    /// byte, and is judged before.
    pub(crate) fn walk(
        &mut self,
        mut bytes: &[u8],
        mut admits: impl FnMut(&[u8]) -> bool,
    ) -> Result<(), Refused> {
        while !bytes.is_empty() {
            bytes = match self.payload_left {
                0 => self.take_header(bytes),
                _ => self.take_payload(bytes, &mut admits)?,
            };
        }
        Ok(())
    }

    fn take_header<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let take = bytes.len().min(HEADER_BYTES - self.header_have);
        self.header[self.header_have..][..take].copy_from_slice(&bytes[..take]);
        self.header_have += take;
        if self.header_have == HEADER_BYTES {
            self.header_have = 0;
            let [low, middle, high, sequence] = self.header;
            let length = usize::from(low) | usize::from(middle) << 8 | usize::from(high) << 16;
            let is_command = !self.goes_on && sequence == 0;
            self.look = if is_command { Look::Command } else { Look::Past };
            self.goes_on = length == PAYLOAD_BYTES_MAX;
            self.payload_left = length;
        }
        &bytes[take..]
    }

    fn take_payload<'a>(
        &mut self,
        bytes: &'a [u8],
        admits: &mut impl FnMut(&[u8]) -> bool,
    ) -> Result<&'a [u8], Refused> {
        let take = match self.look {
            Look::Command => 1,
            Look::Past | Look::User(_) => bytes.len().min(self.payload_left),
        };
        let (now, rest) = bytes.split_at(take);
        self.payload_left -= take;
        self.look = match std::mem::take(&mut self.look) {
            Look::Command if now == [COM_CHANGE_USER] && self.payload_left == 0 => {
                return Err(Refused { user: Vec::new() });
            }
            Look::Command if now == [COM_CHANGE_USER] => Look::User(Vec::new()),
            Look::User(name) => self.take_user(name, now, admits)?,
            Look::Command | Look::Past => Look::Past,
        };
        Ok(rest)
    }

    /// Judges the name when it ends: with a NUL, with the packet, or at the greatest length.
    fn take_user(
        &self,
        mut name: Vec<u8>,
        now: &[u8],
        admits: &mut impl FnMut(&[u8]) -> bool,
    ) -> Result<Look, Refused> {
        let end = now.iter().position(|byte| *byte == 0);
        let room = USER_BYTES_MAX - name.len();
        let more = &now[..end.unwrap_or(now.len())];
        name.extend_from_slice(&more[..more.len().min(room)]);
        let is_whole = end.is_some() || self.payload_left == 0;
        match (is_whole, more.len() > room) {
            (_, true) => Err(Refused { user: name }),
            (true, false) if admits(&name) => Ok(Look::Past),
            (true, false) => Err(Refused { user: name }),
            (false, false) => Ok(Look::User(name)),
        }
    }
}

/// An error packet, which ends what a client asked for. `state` is the SQLSTATE, of five
/// characters.
pub(crate) fn refusal(sequence: u8, code: u16, state: &str, text: &str) -> Vec<u8> {
    let mut payload = vec![0xff];
    payload.extend(code.to_le_bytes());
    payload.push(b'#');
    payload.extend(state.as_bytes());
    payload.extend(text.as_bytes().iter().take(TEXT_BYTES_MAX));
    let length = u32::try_from(payload.len()).unwrap_or_default().to_le_bytes();
    let mut packet = vec![length[0], length[1], length[2], sequence];
    packet.extend(payload);
    packet
}

/// Error 1045 for `user`.
pub(crate) fn denied(sequence: u8, user: &[u8]) -> Vec<u8> {
    let shown: Cow<'_, str> = String::from_utf8_lossy(user);
    let shown: String = shown.chars().filter(|char| !char.is_control()).take(64).collect();
    let text = format!(
        "Access denied for user '{shown}'@'localhost': only a site's own user may come in here"
    );
    refusal(sequence, 1045, "28000", &text)
}

pub(crate) const HEADER_BYTES: usize = 4;

/// The longest payload of one packet.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 0xff_ffff;

const COM_CHANGE_USER: u8 = 0x11;

/// Longer than any user name MariaDB keeps (128 characters of up to 4 bytes are more than a site
/// has).
const USER_BYTES_MAX: usize = 256;
const TEXT_BYTES_MAX: usize = 512;

#[cfg(test)]
mod tests;
