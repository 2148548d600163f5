//! The files of a PHP site: which script a path leads to, if it is no file.
//!
//! ```text
//!   /a.css               a file that is there                       the file
//!   /a.php/b?c           a script that is there, and what follows   a.php, PATH_INFO /b
//!   /admin/              a folder with an index.php                 admin/index.php
//!   /news/today          nothing                                    the front controller
//!   /wp-content/uploads/x.php, /data/x, /.env                       nothing either
//! ```
//! Scripts are looked for as files are: beneath the folder's descriptor, by a path that was decoded
//! and normalised once. Nothing is executed here: PHP is told the script that was found.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use flow::{Failure, Script};
use rustix::fs::FileType;

use super::deny::{self, Access, Rules};
use super::{Found, hidden, open};

/// Which of it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// GET, HEAD: files are served.
    Read,
    /// Any other method: only scripts answer it.
    Other,
}

/// A folder of scripts.
pub(super) struct Scripts<'a> {
    /// The folder.
    pub(super) folder: &'a OwnedFd,
    /// The same, as PHP knows it.
    pub(super) root: &'a Arc<Path>,
}

impl Scripts<'_> {
    /// Finds what lies at `path`, which is normalised, or else who answers for it.
    pub(super) fn find(&self, path: &[u8], wanted: Wanted) -> Result<Found, Failure> {
        let folders = self.folders(path);
        if folders.access != Some(Access::Denied) {
            let found = match self.script(path, &folders) {
                Some(script) => Found::Script(script),
                None => self.file(path, &folders, wanted)?,
            };
            if !matches!(found, Found::Nothing) {
                return Ok(found);
            }
        }
        Ok(self.front(&folders.front))
    }

    /// The front controller of a path that is no file's.
    pub(super) fn fallback(&self) -> Found {
        self.front(b"/")
    }

    /// The script that is the path, or lies before the rest of it.
    fn script(&self, path: &[u8], folders: &Folders) -> Option<Script> {
        let ends = memchr::memmem::find_iter(path, SCRIPT).map(|at| at + SCRIPT.len());
        let splits = ends.filter(|end| matches!(path.get(*end), None | Some(b'/')));
        splits
            .take(SPLITS_MAX)
            .map(|end| path.split_at(end))
            .find_map(|(name, rest)| self.runs(name, folders).then(|| self.named(name, rest)))
    }

    /// A file, or a folder's index.
    fn file(&self, path: &[u8], folders: &Folders, wanted: Wanted) -> Result<Found, Failure> {
        if hidden::is_hidden(path) {
            return Ok(Found::Nothing);
        }
        let mut folder = path.to_vec();
        if !path.ends_with(b"/") {
            if wanted == Wanted::Read
                && let file @ Found::File(_) = open::open(self.folder, &path[1..], path)?
            {
                return Ok(file);
            }
            if open::kind(self.folder, &path[1..]) != Some(FileType::Directory) {
                return Ok(Found::Nothing);
            }
            folder.push(b'/');
        }
        let index = [&folder, INDEX].concat();
        let runs = self.runs(&index, folders);
        Ok(match wanted {
            Wanted::Read if runs && folder.len() > path.len() => Found::Folder,
            _ if runs => Found::Script(self.named(&index, b"")),
            Wanted::Read => open::open(self.folder, &path[1..], path)?,
            Wanted::Other => Found::Nothing,
        })
    }

    /// Whether a script is there, and may be run.
    fn runs(&self, name: &[u8], folders: &Folders) -> bool {
        let slash = memchr::memrchr(b'/', name).unwrap_or(0);
        let may = !folders.no_scripts
            && !name[slash..].starts_with(b"/.")
            && !hidden::is_hidden(&name[..slash])
            && !is_of_uploads(name);
        may && self.is_file(name)
    }

    /// The `index.php` of the folder that answers for what does not exist.
    fn front(&self, folder: &[u8]) -> Found {
        let name = [folder, INDEX].concat();
        if self.is_file(&name) { Found::Script(self.named(&name, b"")) } else { Found::Nothing }
    }

    fn named(&self, name: &[u8], rest: &[u8]) -> Script {
        Script { root: self.root.clone(), name: name.into(), rest: rest.into() }
    }

    fn is_file(&self, path: &[u8]) -> bool {
        open::kind(self.folder, &path[1..]) == Some(FileType::RegularFile)
    }

    /// What the folders on the way say. The innermost counts that says anything of access; scripts
    /// that one folder turns off stay off below it.
    fn folders(&self, path: &[u8]) -> Folders {
        let mut all = Folders { access: None, no_scripts: false, front: b"/".to_vec() };
        for slash in memchr::memchr_iter(b'/', path).take(FOLDERS_MAX) {
            let folder = &path[..=slash];
            let name = [&folder[1..], HTACCESS].concat();
            let Some(text) = open::text(self.folder, &name, HTACCESS_BYTES_MAX) else { continue };
            let Rules { access, no_scripts, front } = deny::read(&text);
            all.access = access.or(all.access);
            all.no_scripts |= no_scripts;
            if front {
                all.front = folder.to_vec();
            }
        }
        all
    }
}

/// What the folders on the way to a path say together.
struct Folders {
    access: Option<Access>,
    no_scripts: bool,
    /// The folder whose `index.php` answers for what does not exist, with its slash.
    front: Vec<u8>,
}

/// Whether it lies where visitors' uploads lie, or packages: nothing there is ever run.
fn is_of_uploads(path: &[u8]) -> bool {
    let lower = path.to_ascii_lowercase();
    let segments: Vec<&[u8]> = lower[1..].split(|byte| *byte == b'/').collect();
    let Some((_, folders)) = segments.split_last() else { return false };
    folders.iter().any(|folder| UPLOADS.contains(folder))
        || folders.first().is_some_and(|first| TOP_UPLOADS.contains(first))
        // Drupal's: sites/default/files.
        || matches!(folders, [first, _, third, ..] if *first == b"sites" && *third == b"files")
}

const SCRIPT: &[u8] = b".php";
const INDEX: &[u8] = b"index.php";
const HTACCESS: &[u8] = b".htaccess";
const HTACCESS_BYTES_MAX: usize = 64 * 1024;
/// Folders of uploads, wherever they lie.
const UPLOADS: [&[u8]; 7] = [
    b"uploads",
    b"upload",
    b"user_uploads",
    b"userfiles",
    b"user_upload",
    b"vendor",
    b"node_modules",
];
/// And those at the top: Laravel's link to its storage, TYPO3's files.
const TOP_UPLOADS: [&[u8]; 2] = [b"storage", b"fileadmin"];
/// How many times a path is taken apart, and how many folders are asked.
const SPLITS_MAX: usize = 16;
const FOLDERS_MAX: usize = 32;

#[cfg(test)]
mod tests;
