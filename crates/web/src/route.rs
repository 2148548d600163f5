//! Where a request goes: to a file, to the site's application, or nowhere.

use flow::{Failure, Job, Stamp, Step};
use http::{Method, StatusCode};
use tokio::sync::mpsc;

use crate::Site;
use crate::files::{self, File, Found};
use crate::h1::head::Head;

/// Where a request goes.
#[derive(Debug)]
pub(crate) enum Route<'a> {
    /// To a file.
    File(File),
    /// To the same path with a slash, as a folder lies there.
    Folder,
    /// To the site's queue.
    App(&'a mpsc::Sender<Job>),
    /// Nowhere.
    Failure(Failure),
}

/// Finds the way: a file that is there, else the application, else 404.
pub(crate) fn find<'a>(site: Option<&'a Site>, head: &Head, now: Stamp) -> Route<'a> {
    let Some(site) = site else {
        return nowhere(StatusCode::MISDIRECTED_REQUEST, "no site has this name");
    };
    let reads = head.method == Method::GET || head.method == Method::HEAD;
    // With an application, other methods are always its own.
    if site.jobs.is_none() || (reads && !site.absent.has(head.path(), now)) {
        match files::find(&site.mounts, head.path()) {
            Ok(Found::Nothing) if site.jobs.is_some() => site.absent.add(head.path(), now),
            Ok(Found::Nothing) => {}
            Ok(_) if !reads => {
                return nowhere(StatusCode::METHOD_NOT_ALLOWED, "files are only read");
            }
            Ok(Found::File(file)) => return Route::File(file),
            Ok(Found::Folder) => return Route::Folder,
            Err(failure) => return Route::Failure(failure),
        }
    }
    match &site.jobs {
        Some(jobs) => Route::App(jobs),
        None => nowhere(StatusCode::NOT_FOUND, "no such file, and the site has no application"),
    }
}

fn nowhere<'a>(status: StatusCode, cause: &str) -> Route<'a> {
    Route::Failure(Failure::new(Step::Web, status, cause))
}
