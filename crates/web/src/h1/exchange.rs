//! One request and its answer: from its head to the line in the log.
//!
//! ```text
//! admit   framing, Expect, length  -> Upload, or a page
//! route   a file / the application / a page
//! answer  written; then what is left of the request's content is read and thrown away
//! finish  the line in the log
//! ```

use std::ops::Range;
use std::sync::Arc;

use bytes::BytesMut;
use flow::{Client, Failure, Mark, Stamp, Step, Trace};
use http::StatusCode;

use super::Refusal;
use super::connection::{Connection, Ending};
use super::framing::{Decoder, Persistence, expectation, persistence};
use super::head::Head;
use super::response::{self, Decimal, Framing, Terms, Wanted};
use super::upload::Upload;
use crate::files::File;
use crate::files::conditions::{self, Verdict};
use crate::pages::{Format, Page};
use crate::route::{self, Route};
use crate::{Finished, Service, Sink, Site, Source};

/// How a request was answered.
#[derive(Debug)]
pub(super) struct Sent {
    /// The status that was sent, or would have been.
    pub(super) status: StatusCode,
    /// Why it failed, if it did.
    pub(super) failure: Option<Failure>,
    /// How the connection goes on.
    pub(super) ending: Ending,
}

impl Sent {
    /// How it went, given the status and what came of sending it.
    pub(super) fn new(status: StatusCode, terms: Terms, sent: Result<(), Failure>) -> Sent {
        match sent {
            Err(failure) => Sent { status, failure: Some(failure), ending: Ending::Reset },
            Ok(()) => {
                let ending = match terms.persistence {
                    Persistence::Keep => Ending::Keep,
                    Persistence::Close => Ending::Close,
                };
                Sent { status, failure: None, ending }
            }
        }
    }
}

/// The line a request owes to the log. It is told even if the connection is cut, at the deadline of a
/// drain or by a fault.
struct Line<'a> {
    service: Arc<Service>,
    site: Option<Arc<Site>>,
    head: &'a Head,
    client: Client,
    trace: &'a Trace,
    told: bool,
}

impl Line<'_> {
    fn tell(mut self, sent: &Sent, bytes_sent: u64) {
        self.told = true;
        self.finish(sent.status, bytes_sent, sent.failure.as_ref());
    }

    fn finish(&self, status: StatusCode, bytes_sent: u64, failure: Option<&Failure>) {
        self.service.finish(&Finished {
            site: self.site.as_deref().map(|site| &site.id),
            host: self.head.host(),
            method: self.head.method.as_str(),
            target: self.head.target(),
            status,
            bytes_sent,
            client: &self.client,
            trace: self.trace,
            failure,
        });
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        if !self.told {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            let cause = "the connection was cut before the answer was sent";
            self.trace.mark(Mark::Sent, Stamp::now());
            self.finish(status, 0, Some(&Failure::new(Step::Response, status, cause)));
        }
    }
}

impl<R: Source, W: Sink> Connection<R, W> {
    /// Answers a request whose head was read.
    pub(super) async fn exchange(&mut self, head: &Head, trace: &Arc<Trace>) -> Ending {
        let site = self.service.site(head.host());
        let (service, client) = (self.service.clone(), self.client);
        let line = Line { service, site: site.clone(), head, client, trace, told: false };
        let sent = match self.admit(head) {
            Ok(mut upload) => self.answer(site.as_deref(), head, &mut upload, trace).await,
            Err(refusal) => self.send_refusal(Some(head), refusal, trace).await,
        };
        trace.mark(Mark::Sent, Stamp::now());
        line.tell(&sent, self.outgoing.take_sent());
        sent.ending
    }

    fn admit(&self, head: &Head) -> Result<Upload, Refusal> {
        Upload::new(Decoder::of(head)?, expectation(head)?, &self.service.settings)
    }

    async fn answer(
        &mut self,
        site: Option<&Site>,
        head: &Head,
        upload: &mut Upload,
        trace: &Arc<Trace>,
    ) -> Sent {
        let now = trace.at(Mark::Received).unwrap_or_else(Stamp::now);
        let route = route::find(site, head, now);
        if !matches!(route, Route::App(..)) {
            trace.mark(Mark::Answered, Stamp::now());
        }
        let terms = self.terms(head, upload);
        let mut sent = match route {
            Route::File(file) => self.send_file(head, &file, terms, trace).await,
            Route::Folder => self.send_redirect(head, terms).await,
            Route::Failure(failure) => self.send_page(Some(head), failure, terms, trace).await,
            // Boxed, so that a connection that waits for its next request stays small.
            Route::App(jobs, script) => Box::pin(self.ask(jobs, head, script, upload, trace)).await,
        };
        let keeps = sent.ending == Ending::Keep
            && upload.linger(&mut self.incoming, &self.service.settings).await;
        if matches!(sent.ending, Ending::Keep | Ending::Close) && !keeps && !upload.is_done() {
            sent.ending = Ending::Linger;
        }
        sent
    }

    /// The terms of a response that is begun now.
    pub(super) fn terms(&self, head: &Head, upload: &Upload) -> Terms {
        let stays = self.may_stay() && upload.lets_stay(&self.service.settings);
        Terms::of(head, if stays { persistence(head) } else { Persistence::Close })
    }

    /// Answers a request that can't be taken on, and gives the connection up.
    pub(super) async fn send_refusal(
        &mut self,
        head: Option<&Head>,
        refusal: Refusal,
        trace: &Trace,
    ) -> Sent {
        let failure = Failure::new(Step::Connect, refusal.status, refusal.cause);
        let terms = head.map_or(Terms::refused(), |head| Terms::of(head, Persistence::Close));
        let mut sent = self.send_page(head, failure, terms, trace).await;
        if sent.ending == Ending::Close {
            sent.ending = Ending::Linger;
        }
        sent
    }

    /// Says that a request failed.
    pub(super) async fn send_page(
        &mut self,
        head: Option<&Head>,
        failure: Failure,
        terms: Terms,
        trace: &Trace,
    ) -> Sent {
        let page = Page::of(&failure, trace.id, head.map_or(Format::Html, Format::of));
        let out = &mut self.outgoing.buffer;
        response::start(out, failure.status);
        response::field(out, "Content-Type", page.media.as_bytes());
        response::field(out, "Cache-Control", b"no-store");
        if failure.status == StatusCode::METHOD_NOT_ALLOWED {
            response::field(out, "Allow", b"GET, HEAD");
        }
        if let Some(wait) = failure.retry_after {
            // Whole seconds: nobody is asked back too early.
            let seconds = wait.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX);
            response::field(out, "Retry-After", Decimal::of(seconds).as_bytes());
        }
        response::finish(out, Framing::known(page.content.len() as u64, terms), terms);
        if terms.wanted == Wanted::Content {
            out.extend_from_slice(page.content.as_bytes());
        }
        let flushed = self.outgoing.flush().await;
        let mut sent = Sent::new(failure.status, terms, flushed);
        // What went wrong first is what the log is about.
        sent.failure = Some(failure);
        sent
    }

    /// Sends the client to the folder that it left the slash off.
    async fn send_redirect(&mut self, head: &Head, terms: Terms) -> Sent {
        let mut location = head.target().to_owned();
        // A path that names a folder was normalised: it begins with no second slash, so that the
        // location can't lead to another host.
        location.insert(head.path().len(), '/');
        let out = &mut self.outgoing.buffer;
        response::start(out, StatusCode::MOVED_PERMANENTLY);
        response::field(out, "Location", location.as_bytes());
        response::finish(out, Framing::Length(0), terms);
        Sent::new(StatusCode::MOVED_PERMANENTLY, terms, self.outgoing.flush().await)
    }

    async fn send_file(&mut self, head: &Head, file: &File, terms: Terms, trace: &Trace) -> Sent {
        let verdict = conditions::verdict(head, file);
        let (status, part) = begin_file(&mut self.outgoing.buffer, file, &verdict);
        let length = part.end - part.start;
        let framing = match verdict {
            Verdict::NotModified => Framing::None,
            _ => Framing::known(length, terms),
        };
        response::finish(&mut self.outgoing.buffer, framing, terms);
        if terms.wanted == Wanted::HeadOnly || length == 0 {
            return Sent::new(status, terms, self.outgoing.flush().await);
        }
        if length > SMALL_FILE_BYTES_MAX {
            let sent = self.outgoing.send_file(&file.fd, part.start, length).await;
            return Sent::new(status, terms, sent);
        }
        if let Err(failure) = append(&mut self.outgoing.buffer, file, &part) {
            // Nothing was sent yet: there is still a page to say it with.
            self.outgoing.buffer.clear();
            return self.send_page(Some(head), failure, terms, trace).await;
        }
        Sent::new(status, terms, self.outgoing.flush().await)
    }
}

/// Writes the status and the fields for a file, and says which part of it follows.
fn begin_file(out: &mut BytesMut, file: &File, verdict: &Verdict) -> (StatusCode, Range<u64>) {
    let (status, part) = match verdict {
        Verdict::Whole => (StatusCode::OK, 0..file.size),
        Verdict::Part(part) => (StatusCode::PARTIAL_CONTENT, part.clone()),
        Verdict::NotModified => (StatusCode::NOT_MODIFIED, 0..0),
        Verdict::Failed => (StatusCode::PRECONDITION_FAILED, 0..0),
        Verdict::Unsatisfiable => (StatusCode::RANGE_NOT_SATISFIABLE, 0..0),
    };
    response::start(out, status);
    match verdict {
        Verdict::Whole | Verdict::Part(_) => {
            out.extend_from_slice(b"Content-Type: ");
            out.extend_from_slice(file.kind.media.as_bytes());
            out.extend_from_slice(file.kind.charset.as_bytes());
            out.extend_from_slice(
                b"\r\nX-Content-Type-Options: nosniff\r\nAccept-Ranges: bytes\r\n",
            );
        }
        Verdict::NotModified => {}
        Verdict::Failed | Verdict::Unsatisfiable => {
            response::field(out, "Cache-Control", b"no-store");
        }
    }
    if !matches!(verdict, Verdict::Failed | Verdict::Unsatisfiable) {
        response::field(out, "ETag", &file.tag);
        response::field(out, "Last-Modified", &file.modified_date());
    }
    let size = Decimal::of(file.size);
    match verdict {
        Verdict::Part(part) => {
            let (first, last) = (Decimal::of(part.start), Decimal::of(part.end - 1));
            let range = [b"bytes ", first.as_bytes(), b"-", last.as_bytes(), b"/", size.as_bytes()];
            response::field(out, "Content-Range", &range.concat());
        }
        Verdict::Unsatisfiable => {
            response::field(out, "Content-Range", &[b"bytes */", size.as_bytes()].concat());
        }
        _ => {}
    }
    (status, part)
}

/// Reads a part of a file behind the head, so that both go out in one write.
fn append(out: &mut BytesMut, file: &File, part: &Range<u64>) -> Result<(), Failure> {
    let failure = |cause| Failure::new(Step::Web, StatusCode::INTERNAL_SERVER_ERROR, cause);
    let length = usize::try_from(part.end - part.start).unwrap_or_default();
    let mut filled = out.len();
    out.resize(filled + length, 0);
    let mut at = part.start;
    while filled < out.len() {
        match rustix::io::pread(&file.fd, &mut out[filled..], at) {
            Ok(0) => return Err(failure("the file became shorter while it was read".into())),
            Ok(read) => {
                filled += read;
                at += read as u64;
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(failure(format!("can't read the file: {errno}"))),
        }
    }
    Ok(())
}

/// Files up to this size go out with their head; larger ones by sendfile(2).
const SMALL_FILE_BYTES_MAX: u64 = 64 * 1024;
