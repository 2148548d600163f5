//! A request without content through a WSGI application, as long as all is common: the headers are
//! a list of pairs, and the answer is a list of bytes that fits a frame.
//!
//! ```text
//!   environ ──▶ application(environ, Start) ──▶ list of bytes ──▶ RESPONSE END
//!                                    │  └──▶ iterator, exception ─┐
//!                                    └──▶ write(), exc_info ──────┴──▶ wsgi.Request (Python)
//! ```
//! Whatever is not common is handed over to wsgi.py, which goes on where this has come to; so the
//! rules of PEP 3333 are written down once. It never sends a part of an answer itself.

use std::sync::{Mutex, TryLockError};

use pyo3::exceptions::PyRuntimeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString};

use crate::connection::{Connection, Waiting, monotonic_ns};
use crate::frame::Answer;
use crate::head;
use crate::names::Names;

/// The application, and what each of its requests needs.
#[pyclass(frozen, module = "davy_worker._native")]
pub(crate) struct Application {
    callable: Py<PyAny>,
    /// What is the same in every environ.
    template: Py<PyDict>,
    /// Makes a wsgi.Request of a request that was begun here.
    resume: Py<PyAny>,
    /// Makes the `wsgi.input` of a request without content.
    input: Py<PyAny>,
    sys: Py<PyModule>,
    names: Mutex<Names>,
    /// The id of the request in hand; empty between requests.
    id: Mutex<Py<PyString>>,
}

#[pymethods]
impl Application {
    #[new]
    fn new(
        callable: Bound<'_, PyAny>,
        template: Bound<'_, PyDict>,
        resume: Bound<'_, PyAny>,
    ) -> PyResult<Application> {
        let py = callable.py();
        Ok(Application {
            callable: callable.unbind(),
            template: template.unbind(),
            resume: resume.unbind(),
            input: py.import("io")?.getattr("BytesIO")?.unbind(),
            sys: py.import("sys")?.unbind(),
            names: Mutex::new(Names::new(py)),
            id: Mutex::new(PyString::intern(py, "").unbind()),
        })
    }

    /// The id of the request in hand, as `output.request_id` has it.
    fn get(&self, py: Python<'_>) -> PyResult<Py<PyString>> {
        Ok(locked(&self.id)?.clone_ref(py))
    }

    /// Another request is in hand, or none.
    fn set(&self, id: Py<PyString>) -> PyResult<()> {
        let before = std::mem::replace(&mut *locked(&self.id)?, id);
        drop(before);
        Ok(())
    }
}

impl Application {
    /// No request is in hand.
    pub(crate) fn rest(&self, py: Python<'_>) -> PyResult<()> {
        self.set(PyString::intern(py, "").unbind())
    }

    /// Calls the application. What it returns or raises is its own.
    fn call<'py>(
        &self,
        start: &Bound<'py, Start>,
        variables: &[u8],
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = start.py();
        let environ = self.template.bind(py).copy()?;
        let noted = locked(&self.names)?.fill(&environ, variables)?;
        if let Some(scheme) = &noted.scheme {
            environ.set_item(intern!(py, "wsgi.url_scheme"), scheme)?;
        }
        let errors = self.sys.bind(py).getattr(intern!(py, "stderr"))?;
        environ.set_item(intern!(py, "wsgi.errors"), errors)?;
        environ.set_item(intern!(py, "wsgi.input"), self.input.bind(py).call0()?)?;
        environ.set_item(intern!(py, "davy.request_id"), &noted.id)?;
        start.try_borrow_mut()?.head_only = noted.head_only;
        self.set(noted.id)?;
        self.callable.bind(py).call1((environ, start))
    }
}

/// Nobody waits here: who holds a lock holds the GIL too, and lets go before any of Python's code
/// runs. That a finalizer comes in between is the one way to find it taken.
fn locked<T>(mutex: &Mutex<T>) -> PyResult<std::sync::MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Ok(guard),
        Err(TryLockError::Poisoned(poisoned)) => Ok(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => Err(PyRuntimeError::new_err("a request is being made")),
    }
}

/// `start_response` of one request, and what it was told. The collector need not know it: nothing it
/// holds leads back to it.
#[pyclass(module = "davy_worker._native")]
pub(crate) struct Start {
    connection: Py<Connection>,
    number: u32,
    credit: u64,
    started: u64,
    head_only: bool,
    /// The status and the head; None: it was not called.
    told: Option<(u16, Vec<u8>)>,
    /// The request as wsgi.py goes on with it.
    stream: Option<Py<PyAny>>,
    over: bool,
}

#[pymethods]
impl Start {
    #[pyo3(signature = (status, headers, exc_info = None))]
    fn __call__<'py>(
        slf: &Bound<'py, Self>,
        status: &Bound<'py, PyAny>,
        headers: &Bound<'py, PyAny>,
        exc_info: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let is_first = {
            let this = slf.try_borrow()?;
            this.told.is_none() && this.stream.is_none() && !this.over
        };
        if is_first
            && exc_info.is_none()
            && let (Some(code), Some(head)) = (head::code(status), head::encode(headers))
        {
            slf.try_borrow_mut()?.told = Some((code, head));
            return slf.getattr(intern!(py, "write"));
        }
        let stream = Start::hand_over(slf)?;
        stream.call_method1(intern!(py, "start"), (status, headers, exc_info))
    }

    /// What `start_response` returns: sends a block.
    fn write<'py>(slf: &Bound<'py, Self>, block: &Bound<'py, PyAny>) -> PyResult<()> {
        let stream = Start::hand_over(slf)?;
        stream.call_method1(intern!(slf.py(), "write"), (block,))?;
        Ok(())
    }
}

impl Start {
    /// The request as wsgi.py goes on with it, from now on.
    fn hand_over<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let (connection, told) = {
            let mut this = slf.try_borrow_mut()?;
            if let Some(stream) = &this.stream {
                return Ok(stream.bind(py).clone());
            }
            if this.over {
                return Err(PyRuntimeError::new_err("the request has ended"));
            }
            (this.connection.bind(py).clone(), this.told.take())
        };
        let (status, head) = told.unzip();
        let head = head.map(|head| PyBytes::new(py, &head));
        let (number, credit, started, head_only) = {
            let this = slf.try_borrow()?;
            (this.number, this.credit, this.started, this.head_only)
        };
        let application = connection.try_borrow()?.application.clone_ref(py);
        let resume = application.get().resume.bind(py);
        let stream =
            resume.call1((&connection, number, credit, started, status, head, head_only))?;
        connection.try_borrow_mut()?.run_stream(number, &stream);
        slf.try_borrow_mut()?.stream = Some(stream.clone().unbind());
        Ok(stream)
    }

    /// Answers with a list of bytes that fits a frame; otherwise it is for wsgi.py.
    fn answer(slf: &Bound<'_, Self>, returned: &Bound<'_, PyAny>, ended: u64) -> PyResult<bool> {
        let Ok(blocks) = returned.cast_exact::<PyList>() else { return Ok(false) };
        let this = slf.try_borrow()?;
        let (None, Some((status, head))) = (&this.stream, &this.told) else { return Ok(false) };
        let mut content = Vec::with_capacity(BLOCKS);
        for block in blocks {
            let Ok(block) = block.cast_into_exact::<PyBytes>() else { return Ok(false) };
            content.push(block);
        }
        if this.head_only {
            content.clear();
        }
        let answer =
            Answer { stream: this.number, started: this.started, ended, status: *status, head };
        let content = content.iter().map(PyBytesMethods::as_bytes);
        Connection::answer(this.connection.bind(slf.py()), &answer, content)
    }
}

/// Runs the application for a request. Gives the time of its end.
pub(crate) fn run(
    connection: &Bound<'_, Connection>,
    application: &Application,
    request: &Waiting,
    started: u64,
) -> PyResult<u64> {
    let py = connection.py();
    let start = Start {
        connection: connection.clone().unbind(),
        number: request.number,
        credit: request.credit,
        started,
        head_only: false,
        told: None,
        stream: None,
        over: false,
    };
    let start = Bound::new(py, start)?;
    let returned = application.call(&start, &request.variables);
    let ended = monotonic_ns();
    let returned = returned.and_then(|returned| {
        // Gone when the application forked and this is the child: the parent answers.
        let is_done =
            !connection.try_borrow()?.is_open() || Start::answer(&start, &returned, ended)?;
        Ok(if is_done { None } else { Some(returned) })
    });
    let outcome = match returned {
        Ok(None) => Ok(()),
        Ok(Some(returned)) => hand(&start, intern!(py, "resume"), &returned),
        Err(error) => hand(&start, intern!(py, "fail"), error.into_value(py).bind(py)),
    };
    start.try_borrow_mut()?.over = true;
    outcome.map(|()| ended)
}

/// Lets wsgi.py go on with what the application returned or raised.
fn hand(
    start: &Bound<'_, Start>,
    method: &Bound<'_, PyString>,
    what: &Bound<'_, PyAny>,
) -> PyResult<()> {
    Start::hand_over(start)?.call_method1(method, (what,))?;
    Ok(())
}

/// Blocks of most answers.
const BLOCKS: usize = 4;
