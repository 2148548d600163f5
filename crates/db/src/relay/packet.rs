//! Packets of the MySQL protocol, as far as the relay looks at them.
//!
//! ```text
//!   length 3 | sequence 1 | payload        one of 16777215 bytes goes on in the next packet
//! ```
//! [`Framing`] goes along with the bytes of one direction, however they are cut, and tells where a
//! message, of one packet or several, begins and ends. [`Walker`] does so with a client's bytes, and
//! stops at a change of user.
//!
//! A command is a packet whose sequence number is 0: the server ends a connection whose command has
//! another. Packets that are no commands (the further steps of authentication, the lines of a LOAD
//! DATA LOCAL INFILE) count on from the server's; of these only the 256th of a file has the number
//! 0 again. If just that one begins with the byte 0x11 it is taken for a change of user and
//! refused: better a failed upload than a way past the check.

use std::borrow::Cow;

/// Follows the bytes of one direction.
#[derive(Debug, Default)]
pub(crate) struct Framing {
    header: [u8; HEADER_BYTES],
    header_have: usize,
    payload_left: usize,
    /// The packet at hand is of the greatest length, so the next one is its continuation.
    goes_on: bool,
    place: Place,
}

#[derive(Clone, Copy, Debug, Default)]
enum Place {
    #[default]
    Header,
    Payload,
    /// All of a message was handed out, but not that it has ended.
    End,
}

/// A piece of a message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// A message begins, with a packet of this sequence number and length.
    Begin { sequence: u8, length: usize },
    /// Some bytes of it; never none.
    Bytes(&'a [u8]),
    /// It was whole.
    End,
}

impl Framing {
    /// The next piece of `bytes`, which is shortened by it. None: there is nothing left to say.
    pub(crate) fn next<'a>(&mut self, bytes: &mut &'a [u8]) -> Option<Piece<'a>> {
        loop {
            match self.place {
                Place::Header => {
                    let (begins, length) = (!self.goes_on, self.take_header(bytes)?);
                    if begins {
                        return Some(Piece::Begin { sequence: self.header[3], length });
                    }
                }
                Place::Payload if self.payload_left == 0 => {
                    self.place = if self.goes_on { Place::Header } else { Place::End };
                }
                Place::Payload if bytes.is_empty() => return None,
                Place::Payload => {
                    let (now, rest) = bytes.split_at(bytes.len().min(self.payload_left));
                    self.payload_left -= now.len();
                    *bytes = rest;
                    return Some(Piece::Bytes(now));
                }
                Place::End => {
                    self.place = Place::Header;
                    return Some(Piece::End);
                }
            }
        }
    }

    /// The length of the packet, once its header is whole.
    fn take_header(&mut self, bytes: &mut &[u8]) -> Option<usize> {
        let (now, rest) = bytes.split_at(bytes.len().min(HEADER_BYTES - self.header_have));
        self.header[self.header_have..][..now.len()].copy_from_slice(now);
        self.header_have += now.len();
        *bytes = rest;
        if self.header_have < HEADER_BYTES {
            return None;
        }
        let [low, middle, high, _] = self.header;
        let length = usize::from(low) | usize::from(middle) << 8 | usize::from(high) << 16;
        self.header_have = 0;
        self.goes_on = length == PAYLOAD_BYTES_MAX;
        self.payload_left = length;
        self.place = Place::Payload;
        Some(length)
    }
}

/// Follows a client's packets.
#[derive(Debug, Default)]
pub(crate) struct Walker {
    framing: Framing,
    look: Look,
}

/// What is looked for in the message at hand.
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
        while let Some(piece) = self.framing.next(&mut bytes) {
            self.look = match (std::mem::take(&mut self.look), piece) {
                (_, Piece::Begin { sequence: 0, .. }) => Look::Command,
                (Look::Command, Piece::Bytes([COM_CHANGE_USER, name @ ..])) => {
                    take_user(Vec::new(), name, &mut admits)?
                }
                (Look::User(name), Piece::Bytes(more)) => take_user(name, more, &mut admits)?,
                (Look::User(name), Piece::End) => judge(name, &mut admits)?,
                _ => Look::Past,
            };
        }
        Ok(())
    }
}

/// Judges the name when it ends: with a NUL, else with its packet; or at the greatest length.
fn take_user(
    mut name: Vec<u8>,
    now: &[u8],
    admits: &mut impl FnMut(&[u8]) -> bool,
) -> Result<Look, Refused> {
    let end = now.iter().position(|byte| *byte == 0);
    let room = USER_BYTES_MAX - name.len();
    let more = &now[..end.unwrap_or(now.len())];
    name.extend_from_slice(&more[..more.len().min(room)]);
    match end {
        _ if more.len() > room => Err(Refused { user: name }),
        Some(_) => judge(name, admits),
        None => Ok(Look::User(name)),
    }
}

fn judge(name: Vec<u8>, admits: &mut impl FnMut(&[u8]) -> bool) -> Result<Look, Refused> {
    if admits(&name) { Ok(Look::Past) } else { Err(Refused { user: name }) }
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
