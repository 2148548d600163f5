//! A link to a worker, in whichever wire it speaks: davy's frames or FastCGI.

use std::path::{Path, PathBuf};
use std::task::{Context, Poll};

use bytes::Bytes;
use flow::{Failure, RequestId};
use tokio::net::UnixStream;

use crate::Settings;
use crate::dispatch::JobKey;
use crate::fastcgi::Connection;
use crate::link::{Link, LinkError, News, Upload};
use crate::stream::{Outlet, Ticket};

/// Where a worker is reached, and in which wire.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Address {
    /// A worker of davy's protocol, by its socket.
    Frames(PathBuf),
    /// One of the connections to PHP's socket, numbered; and the largest file that PHP takes.
    FastCgi(PathBuf, usize, u64),
}

impl Address {
    pub(crate) fn path(&self) -> &Path {
        match self {
            Address::Frames(path) | Address::FastCgi(path, ..) => path,
        }
    }
}

/// A link to a worker.
pub(crate) enum Wire {
    Frames(Link),
    FastCgi(Connection),
}

/// Asks whichever wire it is.
macro_rules! either {
    ($wire:expr, $link:ident => $asked:expr) => {
        match $wire {
            Wire::Frames($link) => $asked,
            Wire::FastCgi($link) => $asked,
        }
    };
}

impl Wire {
    /// The link over a new connection.
    pub(crate) fn new(address: &Address, socket: UnixStream, settings: &Settings) -> Wire {
        match address {
            Address::Frames(_) => Wire::Frames(Link::new(socket)),
            Address::FastCgi(_, _, upload_bytes_max) => {
                Wire::FastCgi(Connection::new(socket, *upload_bytes_max, settings.unread))
            }
        }
    }

    /// Whether the worker has greeted.
    pub(crate) fn greeted(&self) -> bool {
        either!(self, link => link.greeted())
    }

    /// The worker's process id, once it is known.
    pub(crate) fn pid(&self) -> u32 {
        either!(self, link => link.pid)
    }

    /// How many requests the worker has ended.
    pub(crate) fn served(&self) -> u64 {
        either!(self, link => link.served)
    }

    /// A request's id, method and path.
    pub(crate) fn request(&self, job: JobKey) -> Option<(RequestId, String)> {
        either!(self, link => link.request(job))
    }

    /// Answers a request in the worker's place, and tells the worker to give it up.
    pub(crate) fn expire(&mut self, job: JobKey, failure: Failure) {
        either!(self, link => link.expire(job, failure));
    }

    /// Takes the requests back that a worker which has gone may have begun, and that may run again.
    pub(crate) fn take_repeatable(&mut self) -> Vec<Ticket> {
        either!(self, link => link.take_repeatable())
    }

    /// How many requests the worker is at.
    pub(crate) fn running(&self) -> usize {
        either!(self, link => link.running())
    }

    /// Whether it gets no more requests.
    pub(crate) fn is_leaving(&self) -> bool {
        either!(self, link => link.leaving)
    }

    /// It gets no more requests, and closes when its last one is done.
    pub(crate) fn leave(&mut self) {
        either!(self, link => link.leaving = true);
    }

    /// Ready when something can be read or written.
    pub(crate) fn poll_ready(&self, context: &mut Context<'_>) -> Poll<()> {
        either!(self, link => link.poll_ready(context))
    }

    /// Starts a request; content that is still to come is given back as an upload.
    pub(crate) fn hand(&mut self, ticket: Ticket) -> Option<Upload> {
        either!(self, link => link.hand(ticket))
    }

    /// Sends a piece of a request's content, for which there was credit.
    pub(crate) fn send_content(&mut self, stream: u32, content: Bytes) {
        match self {
            Wire::Frames(link) => link.send_content(stream, content),
            Wire::FastCgi(link) => link.send_content(stream, &content),
        }
    }

    /// Ends a request's content.
    pub(crate) fn end_content(&mut self, stream: u32) {
        either!(self, link => link.end_content(stream));
    }

    /// Tells the worker that the request is given up.
    pub(crate) fn abort(&mut self, stream: u32, reason: &str) {
        either!(self, link => link.abort(stream, reason));
    }

    /// Takes a request back that the worker has not begun. PHP is never written ahead to.
    pub(crate) fn recall(&mut self, job: JobKey) -> Option<Ticket> {
        match self {
            Wire::Frames(link) => link.recall(job),
            Wire::FastCgi(_) => None,
        }
    }

    /// Reads what is there and works it off.
    pub(crate) fn read(&mut self, outlet: &Outlet, news: &mut Vec<News>) -> Result<(), LinkError> {
        either!(self, link => link.read(outlet, news))
    }

    /// Sees to credit and to visitors who have gone.
    pub(crate) fn settle(&mut self) {
        either!(self, link => link.settle());
    }

    /// Writes what is to be written, as far as the socket takes it.
    pub(crate) fn flush(&mut self) -> Result<(), LinkError> {
        either!(self, link => link.flush())
    }

    /// Takes the requests back that a worker which has gone has not begun; those in `behind` waited
    /// there.
    pub(crate) fn take_unbegun(&mut self, behind: &[JobKey]) -> Vec<Ticket> {
        match self {
            Wire::Frames(link) => link.take_unbegun(behind),
            Wire::FastCgi(link) => link.take_unbegun(),
        }
    }

    /// Ends the link: what the worker was at gets a failure. Returns how many requests that were.
    pub(crate) fn close(self, error: &LinkError, outlet: &Outlet) -> usize {
        either!(self, link => link.close(error, outlet))
    }

    /// Whether a link that ended is to be made again at once: PHP's children come and go.
    pub(crate) fn returns_at_once(&self) -> bool {
        matches!(self, Wire::FastCgi(connection) if connection.greeted())
    }
}
