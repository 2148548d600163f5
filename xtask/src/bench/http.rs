//! One request over HTTP/1.1, to look at the whole answer.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

/// An answer, whole.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content: Vec<u8>,
    /// Head and content.
    pub(crate) bytes: usize,
}

/// Asks for a path on a connection of its own, which the server is not asked to close: its answer is
/// that which the load gets.
pub(crate) fn get(address: SocketAddr, path: &str) -> Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    ask(&mut stream, address, path)
}

/// The same on a connection that is there.
pub(crate) fn ask(stream: &mut TcpStream, address: SocketAddr, path: &str) -> Result<Answer> {
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n")?;
    let mut received = Vec::new();
    let mut piece = [0; 16 * 1024];
    loop {
        if let Some(answer) = parse(&received)? {
            return Ok(answer);
        }
        match stream.read(&mut piece)? {
            0 => bail!("the connection was closed after {} bytes of an answer", received.len()),
            count => received.extend_from_slice(&piece[..count]),
        }
    }
}

/// The answer at the start of `received`, once it is whole. Only such with a Content-Length.
fn parse(received: &[u8]) -> Result<Option<Answer>> {
    let Some(head) = received.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
        return Ok(None);
    };
    let text = String::from_utf8_lossy(&received[..head]);
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.with_context(|| format!("no status: {text}"))?;
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let bytes = head + 4 + length.with_context(|| format!("no Content-Length: {text}"))?;
    let content = received.get(head + 4..bytes);
    Ok(content.map(|content| Answer { status, content: content.to_vec(), bytes }))
}

const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
