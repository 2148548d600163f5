//! One connection of an edge: its socket, the requests that wait on it, the one that runs.
//!
//! It takes the place of wire.Connection and of what server.py does with each frame. Nothing here
//! waits: reading ends when a read finds no more, and what can't be sent is kept for `flush`.
//! While Python's code runs nothing is borrowed, so it may come back in: wsgi.py sends here, and
//! calls the server's `turn`, which reads here.

use std::collections::VecDeque;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use pyo3::exceptions::{PyConnectionAbortedError, PyConnectionResetError, PyOSError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use rustix::time::{ClockId, clock_gettime};

use crate::frame::{Answer, Broken, Kind, put_not_begun};
use crate::intake::{Intake, READ_BYTES, Said, credit, has_content};
use crate::request::{self, Application};

/// A request that was not begun.
pub(crate) struct Waiting {
    pub(crate) number: u32,
    /// Content that may be sent before any more CREDIT.
    pub(crate) credit: u64,
    pub(crate) variables: Box<[u8]>,
    /// A request that has content is wsgi.py's from the beginning.
    stream: Option<Py<PyAny>>,
    gone: bool,
}

/// What one frame is for Python's code to do.
enum Told {
    /// A request with content: a new stream.
    Request { number: u32, flags: u8, variables: Py<PyBytes> },
    /// A frame for a stream.
    Frame { stream: Py<PyAny>, kind: Kind, payload: Py<PyBytes> },
}

/// How sending went.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sent {
    /// All of it, or the rest is being watched already.
    Settled,
    /// Something is left for when the socket can be written to.
    Left,
    /// The edge is gone, or leaves too much unread.
    Failed,
}

/// A connection, greeted by its server.
#[pyclass(module = "davy_worker._native")]
pub(crate) struct Connection {
    #[pyo3(get)]
    server: Py<PyAny>,
    pub(crate) application: Py<Application>,
    /// None: closed.
    socket: Option<OwnedFd>,
    #[pyo3(get)]
    fd: RawFd,
    intake: Intake,
    outgoing: Vec<u8>,
    /// Whether the server polls for when the rest of `outgoing` can be sent.
    watched: bool,
    waiting: VecDeque<Waiting>,
    /// The number of the last stream begun.
    #[pyo3(get)]
    begun: u32,
    /// The request that runs in wsgi.py.
    running: Option<(u32, Py<PyAny>)>,
    /// Whether GOAWAY was sent.
    #[pyo3(get, set)]
    leaving: bool,
    /// No further request is begun.
    halted: bool,
}

#[pymethods]
impl Connection {
    /// Takes over the socket `fd`, which nobody else may close.
    #[new]
    fn new(fd: RawFd, server: Bound<'_, PyAny>, application: Bound<'_, Application>) -> Connection {
        // SAFETY: the server detached the descriptor from its Python socket just for this call, so
        // it is open and this is its only owner.
        let socket = unsafe { OwnedFd::from_raw_fd(fd) };
        Connection {
            server: server.unbind(),
            application: application.unbind(),
            socket: Some(socket),
            fd,
            intake: Intake::default(),
            outgoing: Vec::new(),
            watched: false,
            waiting: VecDeque::new(),
            begun: 0,
            running: None,
            leaving: false,
            halted: false,
        }
    }

    #[getter]
    fn open(&self) -> bool {
        self.is_open()
    }

    /// How many requests wait.
    #[getter]
    fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Bytes that could not be sent yet.
    fn pending(&self) -> usize {
        self.outgoing.len()
    }

    /// Reads all that has come. Raises OSError when the edge is gone or broke the protocol.
    fn read(slf: &Bound<'_, Self>) -> PyResult<()> {
        loop {
            // Apart from the loop's condition, so that nothing is borrowed any more in its body.
            let Some(count) = slf.try_borrow_mut()?.receive()? else { break };
            Connection::take_all(slf)?;
            // A full read: what came last, an ABORT perhaps, is still to be read. Credit bounds it.
            if count < READ_BYTES || !slf.try_borrow()?.is_open() {
                break;
            }
        }
        let sent = slf.try_borrow_mut()?.push();
        Connection::settle(slf, sent)
    }

    /// Runs waiting requests until the time `until`, one at least. Gives back the one that wsgi.py
    /// has to run: it is begun.
    fn serve<'py>(slf: &Bound<'py, Self>, until: u64) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = slf.py();
        let application = slf.try_borrow()?.application.clone_ref(py);
        let mut now = monotonic_ns();
        let mut stream = None;
        loop {
            let Some(request) = slf.try_borrow_mut()?.begin() else { break };
            if let Some(begun) = &request.stream {
                stream = Connection::begin_stream(slf, request.number, begun.bind(py), now)?;
            } else {
                now = request::run(slf, application.get(), &request, now)?;
                slf.try_borrow_mut()?.running = None;
            }
            if stream.is_some() || now > until || !slf.try_borrow()?.may_go_on() {
                break;
            }
        }
        application.get().rest(py)?;
        Ok(stream)
    }

    /// The request that `serve` gave back has ended.
    fn ended(slf: &Bound<'_, Self>) -> PyResult<()> {
        let ended = slf.try_borrow_mut()?.running.take();
        drop(ended);
        Ok(())
    }

    /// Begins no further request: the worker stops.
    fn halt(&mut self) {
        self.halted = true;
    }

    /// Sends what can be sent now and keeps the rest. Closed if the edge is gone.
    fn send(slf: &Bound<'_, Self>, frames: &[u8]) -> PyResult<()> {
        let sent = {
            let mut this = slf.try_borrow_mut()?;
            if !this.is_open() {
                return Ok(());
            }
            this.outgoing.extend_from_slice(frames);
            this.push()
        };
        Connection::settle(slf, sent)
    }

    /// Sends more of what could not be sent before. Raises OSError when the edge is gone.
    fn flush(&mut self) -> PyResult<()> {
        self.send_some().map_err(os_error)?;
        self.watched = !self.outgoing.is_empty();
        Ok(())
    }

    /// Closes the socket; nobody waits for its requests any more.
    fn close(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (socket, waiting, running) = {
            let mut this = slf.try_borrow_mut()?;
            this.outgoing.clear();
            (this.socket.take(), std::mem::take(&mut this.waiting), this.running.take())
        };
        drop(socket);
        let running = running.map(|(_, stream)| stream);
        for stream in running.iter().chain(waiting.iter().filter_map(|w| w.stream.as_ref())) {
            stream.setattr(slf.py(), intern!(slf.py(), "gone"), true)?;
        }
        Ok(())
    }
}

impl Connection {
    pub(crate) fn is_open(&self) -> bool {
        self.socket.is_some()
    }

    /// A request goes on in wsgi.py.
    pub(crate) fn run_stream(&mut self, number: u32, stream: &Bound<'_, PyAny>) {
        self.running = Some((number, stream.clone().unbind()));
    }

    /// Sends an answer, unless one RESPONSE can't hold it.
    pub(crate) fn answer<'a>(
        slf: &Bound<'_, Self>,
        answer: &Answer<'_>,
        content: impl Iterator<Item = &'a [u8]> + Clone,
    ) -> PyResult<bool> {
        let sent = {
            let mut this = slf.try_borrow_mut()?;
            if !answer.put(content, &mut this.outgoing) {
                return Ok(false);
            }
            this.push()
        };
        Connection::settle(slf, sent)?;
        Ok(true)
    }

    /// Whether the next request may be begun at once.
    fn may_go_on(&self) -> bool {
        self.is_open() && !self.halted && self.outgoing.len() <= UNSENT_PAUSE
    }

    /// The next request whose edge still waits for it.
    fn begin(&mut self) -> Option<Waiting> {
        let request = std::iter::from_fn(|| self.waiting.pop_front()).find(|r| !r.gone)?;
        self.begun = request.number;
        Some(request)
    }

    /// A request with content is begun, unless it was aborted meanwhile.
    fn begin_stream<'py>(
        slf: &Bound<'py, Self>,
        number: u32,
        stream: &Bound<'py, PyAny>,
        now: u64,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = slf.py();
        if stream.getattr(intern!(py, "gone"))?.is_truthy()? {
            return Ok(None);
        }
        stream.setattr(intern!(py, "started"), now)?;
        slf.try_borrow_mut()?.run_stream(number, stream);
        Ok(Some(stream.clone()))
    }

    /// Reads once what is there; None when there is nothing.
    fn receive(&mut self) -> PyResult<Option<usize>> {
        let Some(socket) = &self.socket else { return Ok(None) };
        let buffer = self.intake.room();
        match recv(socket, spare_capacity(buffer), RecvFlags::DONTWAIT) {
            Ok((_, 0)) => Err(PyConnectionResetError::new_err("closed by the edge")),
            Ok((_, count)) => Ok(Some(count)),
            Err(Errno::AGAIN | Errno::INTR) => Ok(None),
            Err(error) => Err(os_error(error)),
        }
    }

    /// Takes in the whole frames that were read.
    fn take_all(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        loop {
            let Some(told) = slf.try_borrow_mut()?.take(py)? else { return Ok(()) };
            match told {
                Told::Request { number, flags, variables } => {
                    let server = slf.try_borrow()?.server.clone_ref(py);
                    let make = server.bind(py).getattr(intern!(py, "stream"))?;
                    let stream = make.call1((slf, number, flags, variables))?.unbind();
                    slf.try_borrow_mut()?.wait(number, Box::default(), Some(stream))?;
                }
                Told::Frame { stream, kind, payload } => {
                    let stream = stream.bind(py);
                    // A frame for a stream that has ended is dropped.
                    if !stream.getattr(intern!(py, "gone"))?.is_truthy()? {
                        stream.call_method1(intern!(py, "take"), (kind as u8, payload))?;
                    }
                }
            }
        }
    }

    /// Takes in frames up to one that is for Python's code.
    fn take(&mut self, py: Python<'_>) -> PyResult<Option<Told>> {
        while self.is_open() {
            let Some(said) = self.intake.next().map_err(|broken| broken_error(&broken))? else {
                break;
            };
            match said {
                Said::Greeting => {}
                Said::Request { number, flags, variables } if has_content(flags) => {
                    let variables = PyBytes::new(py, variables).unbind();
                    return Ok(Some(Told::Request { number, flags, variables }));
                }
                Said::Request { number, variables, .. } => {
                    let variables = variables.into();
                    self.wait(number, variables, None)?;
                }
                Said::For { number, kind, payload } => {
                    let place = self.waiting.binary_search_by_key(&number, |w| w.number);
                    let waiting = place.ok().and_then(|place| self.waiting.get_mut(place));
                    let running = self.running.as_ref().filter(|(running, _)| *running == number);
                    let stream = match &waiting {
                        Some(waiting) => waiting.stream.as_ref(),
                        None => running.map(|(_, stream)| stream),
                    };
                    if let Some(stream) = stream {
                        let (stream, payload) = (stream.clone_ref(py), PyBytes::new(py, payload));
                        return Ok(Some(Told::Frame { stream, kind, payload: payload.unbind() }));
                    }
                    if let Some(waiting) = waiting {
                        waiting.hear(kind, payload, &mut self.outgoing)?;
                    }
                }
            }
        }
        Ok(None)
    }

    /// A request takes its place behind the others.
    fn wait(
        &mut self,
        number: u32,
        variables: Box<[u8]>,
        stream: Option<Py<PyAny>>,
    ) -> PyResult<()> {
        if self.waiting.len() >= WAITING_MAX {
            return Err(broken_error(&Broken("too many requests sent ahead")));
        }
        let credit = RESPONSE_CREDIT;
        self.waiting.push_back(Waiting { number, credit, variables, stream, gone: false });
        Ok(())
    }

    /// Sends `outgoing`, if nobody waits to send it already.
    fn push(&mut self) -> Sent {
        if !self.is_open() || (self.outgoing.is_empty() && !self.watched) {
            return Sent::Settled;
        }
        let failed = !self.watched && self.send_some().is_err();
        if failed || self.outgoing.len() > UNSENT_BYTES_MAX {
            return Sent::Failed;
        }
        let left = !self.outgoing.is_empty() && !self.watched;
        self.watched |= left;
        if left { Sent::Left } else { Sent::Settled }
    }

    /// Sends once. An application may have brought SIGPIPE back: NOSIGNAL keeps the worker alive.
    fn send_some(&mut self) -> Result<(), Errno> {
        let Some(socket) = &self.socket else { return Ok(()) };
        match send(socket, &self.outgoing, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
            Ok(sent) if sent == self.outgoing.len() => self.outgoing.clear(),
            Ok(sent) => drop(self.outgoing.drain(..sent)),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Tells the server what became of sending.
    fn settle(slf: &Bound<'_, Self>, sent: Sent) -> PyResult<()> {
        let py = slf.py();
        let method = match sent {
            Sent::Settled => return Ok(()),
            Sent::Left => intern!(py, "watch"),
            Sent::Failed => intern!(py, "close"),
        };
        let server = slf.try_borrow()?.server.clone_ref(py);
        server.bind(py).call_method1(method, (slf,))?;
        Ok(())
    }
}

impl Waiting {
    /// A frame for a request without content that was not begun.
    fn hear(&mut self, kind: Kind, payload: &[u8], replies: &mut Vec<u8>) -> PyResult<()> {
        match kind {
            _ if self.gone => {}
            Kind::Credit => self.credit += credit(payload),
            Kind::Abort => {
                self.gone = true;
                put_not_begun(self.number, replies);
            }
            _ => return Err(broken_error(&Broken("content after its end"))),
        }
        Ok(())
    }
}

/// Now, on the clock of all stamps.
pub(crate) fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let part = |number: i64| u64::try_from(number).unwrap_or(0);
    part(now.tv_sec) * 1_000_000_000 + part(now.tv_nsec)
}

fn broken_error(broken: &Broken) -> PyErr {
    PyConnectionAbortedError::new_err(broken.0)
}

fn os_error(error: Errno) -> PyErr {
    PyOSError::new_err((error.raw_os_error(), error.to_string()))
}

/// What may be sent of an answer at the start of each stream.
const RESPONSE_CREDIT: u64 = 262_144;
/// Requests sent ahead on one connection.
const WAITING_MAX: usize = 256;
/// With more than this unsent no further request is begun.
const UNSENT_PAUSE: usize = 262_144;
/// An edge that lets this much wait unread is broken.
const UNSENT_BYTES_MAX: usize = 1_048_576;
