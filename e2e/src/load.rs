//! Visitors that never rest: each sends one request after the other, and writes down how it went.
//!
//! ```text
//!      ┌── request ──┐     ┌── request ──┐        one connection of one visitor
//!     known                begun         ended    of the second request
//! ```
//! A visitor keeps its connection for as long as it lasts, as browsers and proxies do, and looks
//! whether it still lives before it is used again. What fails is not tried again: a test asks
//! afterwards whether it was allowed to fail.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// A load on one address, shared by its visitors.
#[derive(Debug)]
pub struct Load {
    address: SocketAddr,
    next: AtomicU64,
    answered: AtomicU64,
    over: AtomicBool,
}

/// A request that was sent, and what came of it.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Its number, which no other has. Its path is `/` and this number; so is a POST's content.
    pub id: u64,
    /// GET or POST: odd numbers are posts.
    pub method: &'static str,
    /// When its connection is known to have lived: when the request before it was begun, which was
    /// answered, or else when the connection was.
    pub known: Instant,
    /// When it was begun.
    pub begun: Instant,
    /// When its answer was complete, or known not to come.
    pub ended: Instant,
    /// The status of its answer, or why there is none.
    pub outcome: Result<u16, String>,
}

impl Sent {
    /// Whether it was done, by the answer's word.
    pub fn succeeded(&self) -> bool {
        matches!(self.outcome, Ok(200..300))
    }
}

/// Ends the visits when it is dropped.
struct Over<'l>(&'l AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A connection, when it is known to have lived, and whether its last answer said that it ends there.
struct Connection {
    stream: BufReader<TcpStream>,
    known: Instant,
    closing: bool,
}

impl Load {
    /// A load on `address`, without visitors so far.
    pub fn on(address: SocketAddr) -> Load {
        let (next, answered) = (AtomicU64::new(0), AtomicU64::new(0));
        Load { address, next, answered, over: AtomicBool::new(false) }
    }

    /// How many requests have been answered well so far.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// So many visitors send requests while `act` runs; then they finish the one in hand. Gives what
    /// `act` gave, and all that was sent.
    pub fn during<T>(&self, visitors: usize, act: impl FnOnce() -> T) -> (T, Vec<Sent>) {
        thread::scope(|scope| {
            let visitors: Vec<_> = (0..visitors).map(|_| scope.spawn(|| self.visit())).collect();
            // Also when `act` panics: or the visitors would never rest.
            let over = Over(&self.over);
            let acted = act();
            drop(over);
            let sent = visitors.into_iter().flat_map(|visitor| match visitor.join() {
                Ok(sent) => sent,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            (acted, sent.collect())
        })
    }

    /// Sends requests, one after the other, until it is over.
    fn visit(&self) -> Vec<Sent> {
        let mut all = Vec::new();
        let mut connection = None;
        while !self.over.load(Ordering::Relaxed) {
            let id = self.next.fetch_add(1, Ordering::Relaxed);
            let (sent, kept) = self.send(id, connection.take().filter(Connection::lives));
            connection = kept;
            if sent.succeeded() {
                self.answered.fetch_add(1, Ordering::Relaxed);
            }
            all.push(sent);
        }
        all
    }

    /// Sends one request, over a new connection if there is none, and gives the connection back if
    /// it can be used again.
    fn send(&self, id: u64, connection: Option<Connection>) -> (Sent, Option<Connection>) {
        let begun = Instant::now();
        let known = connection.as_ref().map_or(begun, |connection| connection.known);
        let method = if id % 2 == 1 { "POST" } else { "GET" };
        let exchanged = connection.map_or_else(|| self.connect(), Ok).and_then(|mut connection| {
            let status = connection.exchange(method, id, self.address)?;
            Ok((status, connection))
        });
        let ended = Instant::now();
        let (outcome, kept) = match exchanged {
            Ok((status, connection)) => {
                (Ok(status), Some(Connection { known: begun, ..connection }))
            }
            Err(error) => (Err(error.to_string()), None),
        };
        (Sent { id, method, known, begun, ended, outcome }, kept)
    }

    fn connect(&self) -> io::Result<Connection> {
        let known = Instant::now();
        let stream = TcpStream::connect_timeout(&self.address, ANSWERED_WITHIN)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWERED_WITHIN))?;
        Ok(Connection { stream: BufReader::new(stream), known, closing: false })
    }
}

impl Connection {
    /// Whether the other side has not closed it: between two requests nothing is to be read.
    fn lives(&self) -> bool {
        let stream = self.stream.get_ref();
        let peeked = stream.set_nonblocking(true).and_then(|()| stream.peek(&mut [0]));
        let quiet = peeked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
        quiet && !self.closing && stream.set_nonblocking(false).is_ok()
    }

    fn exchange(&mut self, method: &str, id: u64, host: SocketAddr) -> io::Result<u16> {
        let content = if method == "POST" { id.to_string() } else { String::new() };
        let length = match content.len() {
            0 => String::new(),
            bytes => format!("Content-Length: {bytes}\r\n"),
        };
        let request = format!("{method} /{id} HTTP/1.1\r\nHost: {host}\r\n{length}\r\n{content}");
        self.stream.get_mut().write_all(request.as_bytes())?;
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.stream.read_line(&mut head)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let no_answer = || io::Error::new(io::ErrorKind::InvalidData, format!("{head:?}"));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let field = |wanted: &str| {
            let mut fields = head.lines().filter_map(|line| line.split_once(':'));
            fields
                .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
                .map(|(_, value)| value.trim())
        };
        self.closing = field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        let length = field("content-length").and_then(|length| length.parse().ok());
        let mut content = vec![0; length.ok_or_else(no_answer)?];
        self.stream.read_exact(&mut content)?;
        status.ok_or_else(no_answer)
    }
}

/// A limit for a broken davy: a request that has no answer by then failed.
const ANSWERED_WITHIN: Duration = Duration::from_secs(20);
