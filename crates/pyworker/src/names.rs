//! From variables to `environ`: a copy of what all requests have in common, and what this one says.
//!
//! A visitor's browser says nearly the same each time. So names become Python strings once, and so
//! does a value that is the same as last time. What is kept of it has a limit.

use std::collections::HashMap;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::variables::pairs;

/// The names that requests had so far, each with its last value.
pub(crate) struct Names {
    seen: Vec<Seen>,
    by_name: HashMap<Box<[u8]>, usize>,
    /// The names of the last request in their order: most likely that of the next one.
    order: Vec<usize>,
}

struct Seen {
    name: Box<[u8]>,
    key: Py<PyString>,
    value: Vec<u8>,
    text: Py<PyString>,
}

/// What the worker itself has to know of a request.
pub(crate) struct Noted {
    /// REQUEST_ID.
    pub(crate) id: Py<PyString>,
    /// REQUEST_SCHEME, if it was said.
    pub(crate) scheme: Option<Py<PyString>>,
    /// Whether the method is HEAD.
    pub(crate) head_only: bool,
}

impl Names {
    pub(crate) fn new(py: Python<'_>) -> Names {
        let mut names = Names { seen: Vec::new(), by_name: HashMap::new(), order: Vec::new() };
        for name in [METHOD, SCHEME, ID] {
            names.remember(py, name);
        }
        names
    }

    /// Sets the variables in `environ`.
    pub(crate) fn fill(
        &mut self,
        environ: &Bound<'_, PyDict>,
        variables: &[u8],
    ) -> PyResult<Noted> {
        let py = environ.py();
        let empty = PyString::intern(py, "").unbind();
        let mut noted = Noted { id: empty, scheme: None, head_only: false };
        for (at, (name, value)) in pairs(variables).enumerate() {
            let Some(place) = self.place(py, at, name) else {
                environ.set_item(text(py, name), text(py, value))?;
                continue;
            };
            let seen = &mut self.seen[place];
            let value = seen.text_of(py, value);
            environ.set_item(&seen.key, &value)?;
            match place {
                METHOD_PLACE => noted.head_only = seen.value == b"HEAD",
                SCHEME_PLACE => noted.scheme = Some(value),
                ID_PLACE => noted.id = value,
                _ => {}
            }
        }
        Ok(noted)
    }

    /// Where the name is that comes as number `at` of its request; None: it is not kept.
    fn place(&mut self, py: Python<'_>, at: usize, name: &[u8]) -> Option<usize> {
        if let Some(&guess) = self.order.get(at)
            && *self.seen[guess].name == *name
        {
            return Some(guess);
        }
        let place = self.by_name.get(name).copied().or_else(|| self.remember(py, name))?;
        if let Some(guess) = self.order.get_mut(at) {
            *guess = place;
        } else if self.order.len() < NAMES_MAX {
            self.order.push(place);
        }
        Some(place)
    }

    fn remember(&mut self, py: Python<'_>, name: &[u8]) -> Option<usize> {
        let ascii = str::from_utf8(name).ok().filter(|name| name.is_ascii())?;
        if self.seen.len() >= NAMES_MAX || name.len() > BYTES_MAX {
            return None;
        }
        let key = PyString::intern(py, ascii).unbind();
        let text = PyString::intern(py, "").unbind();
        self.seen.push(Seen { name: name.into(), key, value: Vec::new(), text });
        self.by_name.insert(name.into(), self.seen.len() - 1);
        Some(self.seen.len() - 1)
    }
}

impl Seen {
    /// The value as a string: the one of last time, if it is the same.
    fn text_of(&mut self, py: Python<'_>, value: &[u8]) -> Py<PyString> {
        if self.value == value {
            return self.text.clone_ref(py);
        }
        let text = text(py, value).unbind();
        if value.len() <= BYTES_MAX {
            self.value.clear();
            self.value.extend_from_slice(value);
            self.text = text.clone_ref(py);
        }
        text
    }
}

/// Bytes as a native string of PEP 3333: each stands for the character of its number.
fn text<'py>(py: Python<'py>, bytes: &[u8]) -> Bound<'py, PyString> {
    match str::from_utf8(bytes) {
        Ok(ascii) if bytes.is_ascii() => PyString::new(py, ascii),
        _ => PyString::new(py, &bytes.iter().map(|byte| char::from(*byte)).collect::<String>()),
    }
}

const METHOD: &[u8] = b"REQUEST_METHOD";
const SCHEME: &[u8] = b"REQUEST_SCHEME";
const ID: &[u8] = b"REQUEST_ID";
/// Where these three are: a new [`Names`] remembers them first.
const METHOD_PLACE: usize = 0;
const SCHEME_PLACE: usize = 1;
const ID_PLACE: usize = 2;
/// Names that are kept; header fields with other names are made anew each time.
const NAMES_MAX: usize = 512;
/// Of longer names and values nothing is kept.
const BYTES_MAX: usize = 256;
