//! Where a request goes: to a file, to the site's application, or nowhere.

use flow::{Failure, Job, Script, Stamp, Step};
use http::{Method, StatusCode};
use tokio::sync::mpsc;

use crate::Site;
use crate::files::{self, File, Found, Wanted};
use crate::h1::head::Head;

/// Where a request goes.
#[derive(Debug)]
pub(crate) enum Route<'a> {
    /// To a file.
    File(File),
    /// To the same path with a slash, as a folder lies there.
    Folder,
    /// To the site's queue, and there to this script, if the site is one of scripts.
    App(&'a mpsc::Sender<Job>, Option<Script>),
    /// Nowhere.
    Failure(Failure),
}

/// Finds the way: a file that is there, else the application, else 404. With an application, methods
/// that do not read are always its own.
pub(crate) fn find<'a>(site: Option<&'a Site>, head: &Head, now: Stamp) -> Route<'a> {
    let Some(site) = site else {
        return nowhere(StatusCode::MISDIRECTED_REQUEST, "no site has this name");
    };
    let Some(jobs) = &site.jobs else { return file(site, head) };
    let reads = reads(head);
    let has_scripts = site.mounts.iter().any(|mount| mount.scripts.is_some());
    if !reads && !has_scripts {
        return Route::App(jobs, None);
    }
    // Who does not read finds no files, so that nothing is known of them.
    let remember = |script| {
        if reads {
            site.absent.add(head.path(), script, now);
        }
    };
    let script = match site.absent.get(head.path(), now) {
        Some(script) => script,
        None => match files::find(&site.mounts, head.path(), wanted(reads)) {
            Ok(Found::File(file)) => return Route::File(file),
            Ok(Found::Folder) => return Route::Folder,
            Err(failure) => return Route::Failure(failure),
            Ok(Found::Script(script)) => {
                remember(Some(script.clone()));
                Some(script)
            }
            Ok(Found::Nothing) => {
                remember(None);
                None
            }
        },
    };
    if has_scripts && script.is_none() {
        return nowhere(StatusCode::NOT_FOUND, "no such file or script, and no index.php");
    }
    Route::App(jobs, script)
}

/// The way of a site without an application.
fn file<'a>(site: &Site, head: &Head) -> Route<'a> {
    match files::find(&site.mounts, head.path(), Wanted::Read) {
        Ok(Found::File(_) | Found::Folder) if !reads(head) => {
            nowhere(StatusCode::METHOD_NOT_ALLOWED, "files are only read")
        }
        Ok(Found::File(file)) => Route::File(file),
        Ok(Found::Folder) => Route::Folder,
        Ok(Found::Script(_) | Found::Nothing) => {
            nowhere(StatusCode::NOT_FOUND, "no such file, and the site has no application")
        }
        Err(failure) => Route::Failure(failure),
    }
}

fn reads(head: &Head) -> bool {
    head.method == Method::GET || head.method == Method::HEAD
}

fn wanted(reads: bool) -> Wanted {
    if reads { Wanted::Read } else { Wanted::Other }
}

fn nowhere<'a>(status: StatusCode, cause: &str) -> Route<'a> {
    Route::Failure(Failure::new(Step::Web, status, cause))
}
