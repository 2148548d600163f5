//! Static files: found beneath a site's folders, and only there.
//!
//! ```text
//! /static/a%20b.css?v=1 --path--> static/a b.css --hidden--> --mounts--> open --> File
//!                          '- encoded / NUL \, "//", ".." above the root   '- nothing: the
//!                             dotfiles, code, secrets: no file             application's
//! ```
//!
//! A path is decoded and normalised once, and that one form is what every later look uses. Files
//! are opened with openat2(2) beneath the folder's descriptor: no `..`, no symbolic link leads out
//! of it. Only regular files are served; opening never waits (O_NONBLOCK), so that a FIFO hangs
//! nothing. What a symbolic link inside the folder points to inside the folder is served by the
//! link's name.
//!
//! Opening and reading are done on the connection's thread, as nginx does: what is asked for often
//! lies in the page cache.

pub(crate) mod absent;
pub(crate) mod conditions;
mod hidden;
mod kind;
mod open;
pub(crate) mod path;
pub(crate) mod range;

use std::os::fd::OwnedFd;

use flow::Failure;

use crate::date::{self, HttpDate};
use crate::sites::Mount;
use kind::Kind;

/// An opened regular file.
#[derive(Debug)]
pub(crate) struct File {
    /// The file.
    pub(crate) fd: OwnedFd,
    /// Its length in bytes, when it was opened.
    pub(crate) size: u64,
    /// When it was changed last, in seconds since 1970.
    pub(crate) modified: u64,
    /// Its strong validator, quotes and all.
    pub(crate) tag: [u8; 18],
    /// What is in it.
    pub(crate) kind: Kind,
}

impl File {
    /// The value of its Last-Modified field.
    pub(crate) fn modified_date(&self) -> HttpDate {
        date::of(self.modified)
    }
}

/// What lies at a path.
#[derive(Debug)]
pub(crate) enum Found {
    /// A file.
    File(File),
    /// A folder with an index, asked for without its final slash.
    Folder,
    /// Nothing that is served.
    Nothing,
}

/// Looks for a path's file in the mounts, longest prefix first.
pub(crate) fn find(mounts: &[Mount], path: &str) -> Result<Found, Failure> {
    if mounts.is_empty() {
        return Ok(Found::Nothing);
    }
    let Some(path) = path::normalise(path) else { return Ok(Found::Nothing) };
    if hidden::is_hidden(&path) {
        return Ok(Found::Nothing);
    }
    for mount in mounts {
        if let Some(name) = path.strip_prefix(mount.prefix.as_bytes()) {
            match open::open(&mount.folder, name, &path)? {
                Found::Nothing => {}
                found => return Ok(found),
            }
        }
    }
    Ok(Found::Nothing)
}

#[cfg(test)]
mod tests;
