//! Step 7: application server: detection, environment, worker processes.
//!
//! A folder becomes a running application in the order of these modules:
//!
//! ```text
//!   detect        what is it?              Flask (app.py)           no user code runs
//!   dependencies  what does it need?       requirements.txt -> names
//!   interpreter   with what does it run?   python3 on the PATH
//!   venv          its packages             reused while nothing changed
//!   variables     its environment          DATABASE_URL ...
//!   files         its static files         collectstatic -> mounts for the web step
//!   workers       its processes            sockets for the queue step
//!   jobs, cron    what runs beside them
//! ```
//! The worker itself is Python (`workers/python/`), carried in the binary ([`carried`]) and run by
//! the project's own interpreter; docs/worker-protocol.md is all that it and
//! the queue step share.
//!
//! Nothing here reads davy's own files or its environment, and nothing here answers requests.

pub mod carried;
pub mod command;
pub mod cron;
pub mod dependencies;
pub mod detect;
mod error;
pub mod files;
pub mod interpreter;
pub mod jobs;
mod key;
pub mod node;
mod output;
pub mod php;
mod program;
pub mod ruby;
pub mod variables;
pub mod venv;
pub mod workers;

pub use error::Error;

/// Takes the lines of a long work as they come, for people to watch.
pub type Progress<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// Parsers of hostile input as plain functions, for fuzzing. They must not panic.
#[doc(hidden)]
pub mod fuzz {
    /// Source text of a project.
    pub fn detect(bytes: &[u8]) {
        crate::detect::fuzz(bytes);
    }

    /// A command's line.
    pub fn command(bytes: &[u8]) {
        crate::command::fuzz(bytes);
    }

    /// The lines of a requirements.txt.
    pub fn dependencies(bytes: &[u8]) {
        crate::dependencies::fuzz(bytes);
    }

    /// A Gemfile, or its lock file.
    pub fn gems(bytes: &[u8]) {
        crate::ruby::gems::fuzz(bytes);
    }

    /// What a worker writes to its stdout.
    pub fn output(bytes: &[u8]) {
        crate::output::fuzz(bytes);
    }
}
