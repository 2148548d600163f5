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
mod deny;
mod hidden;
mod kind;
mod open;
pub(crate) mod path;
pub(crate) mod range;
mod scripts;

use std::os::fd::OwnedFd;

use flow::{Failure, Script, Step};
use http::StatusCode;

use crate::date::{self, HttpDate};
use crate::sites::Mount;
use kind::Kind;
use scripts::Scripts;

pub(crate) use scripts::Wanted;

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
    /// A script of a PHP site, or its front controller.
    Script(Script),
    /// Nothing that is served.
    Nothing,
}

/// Looks for a path's file in the mounts, longest prefix first. Files are only read; a script is
/// found for all methods.
pub(crate) fn find(mounts: &[Mount], path: &str, wanted: Wanted) -> Result<Found, Failure> {
    if mounts.is_empty() {
        return Ok(Found::Nothing);
    }
    let Some(normal) = path::normalise(path) else { return strange(mounts, path) };
    for mount in mounts {
        let Some(name) = normal.strip_prefix(mount.prefix.as_bytes()) else { continue };
        let found = match mount.scripts() {
            Some(scripts) => scripts.find(&normal, wanted)?,
            None if wanted == Wanted::Other || hidden::is_hidden(&normal) => Found::Nothing,
            None => open::open(&mount.folder, name, &normal)?,
        };
        if !matches!(found, Found::Nothing) {
            return Ok(found);
        }
    }
    Ok(Found::Nothing)
}

/// No file has such a path. A site's own front controller may know what to do with it, but for what
/// PHP would cut short.
fn strange(mounts: &[Mount], path: &str) -> Result<Found, Failure> {
    let Some(scripts) = mounts.iter().find_map(Mount::scripts) else { return Ok(Found::Nothing) };
    if path.contains("%00") {
        return Err(Failure::new(Step::Web, StatusCode::BAD_REQUEST, "the path holds a NUL"));
    }
    Ok(scripts.fallback())
}

impl Mount {
    fn scripts(&self) -> Option<Scripts<'_>> {
        // Scripts have their names from the top of the site.
        let root = self.scripts.as_ref().filter(|_| self.prefix == "/")?;
        Some(Scripts { folder: &self.folder, root })
    }
}

#[cfg(test)]
mod tests;
