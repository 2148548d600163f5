//! Slow clients never hold a worker that runs one request at a time: what they send is taken in before
//! a worker is, and what they are slow to take lies here meanwhile. First in memory, then in a file
//! that has no name and is gone with its request.
//!
//! ```text
//!  upload   client ──▶ receive ──▶ all of it: ≤ 64 KiB in memory, else a file ──▶ queue, worker
//!  answer   worker ──▶ 256 KiB ──▶ pump ──▶ 256 KiB ──▶ client
//!                                   │ ▲
//!                                   ▼ │  while the client is slow
//!                                   file
//! ```
//! When the files of a site have reached their limit, or the disk is full, an answer waits for its
//! client as if there were no file, and an upload is refused. Content never changes its order here,
//! and a file is never read by anybody else.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};
use flow::{Body, BodyError, Writer};

use crate::frame::{REQUEST_WINDOW, RESPONSE_WINDOW};

/// Where content may lie, and how much of it.
#[derive(Clone, Debug)]
pub(crate) struct Spool(Arc<Disk>);

#[derive(Debug)]
struct Disk {
    folder: PathBuf,
    bytes_max: u64,
    used: AtomicU64,
    /// That files can't be made was said.
    said: AtomicBool,
}

/// Why an upload can't be taken in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReceiveError {
    /// The client stopped, or was refused; it knows.
    #[error(transparent)]
    Client(#[from] BodyError),
    /// There is no more room for uploads.
    #[error("no room for uploads: {0}")]
    Full(#[from] io::Error),
}

/// An upload, all of it.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) body: Body,
    pub(crate) bytes: u64,
}

impl Spool {
    /// Files in `folder`, together at most `bytes_max` long.
    pub(crate) fn new(folder: PathBuf, bytes_max: u64) -> Spool {
        Spool(Arc::new(Disk {
            folder,
            bytes_max,
            used: AtomicU64::default(),
            said: AtomicBool::default(),
        }))
    }

    /// Takes in all of a request's content.
    pub(crate) async fn receive(&self, mut body: Body) -> Result<Received, ReceiveError> {
        let mut memory = BytesMut::new();
        let mut parked = None;
        while let Some(piece) = body.next().await {
            let piece = piece?;
            if parked.is_none() && memory.len() + piece.len() <= REQUEST_WINDOW {
                memory.extend_from_slice(&piece);
                continue;
            }
            let file = match parked.take() {
                Some(file) => file,
                None => Parked::new(self)?.append(memory.split().freeze()).await?,
            };
            parked = Some(file.append(piece).await?);
        }
        let Some(file) = parked else {
            let (bytes, body) = (memory.len() as u64, Body::Full(memory.freeze()));
            return Ok(Received { body, bytes });
        };
        let (writer, body) = Body::channel(REQUEST_WINDOW);
        let bytes = file.written;
        tokio::spawn(feed(file, writer));
        Ok(Received { body, bytes })
    }

    /// Content that is taken from `body` as fast as it comes, whatever its reader does.
    pub(crate) fn through(&self, body: Body) -> Body {
        let (writer, through) = Body::channel(RESPONSE_WINDOW);
        tokio::spawn(pump(body, writer, self.clone()));
        through
    }
}

/// Content in a file: `read..written` of it is still to go out.
struct Parked {
    file: Arc<File>,
    written: u64,
    read: u64,
    /// What the file counts for, and where.
    leased: u64,
    spool: Spool,
}

impl Parked {
    fn new(spool: &Spool) -> io::Result<Parked> {
        let file = Arc::new(tempfile::tempfile_in(&spool.0.folder)?);
        Ok(Parked { file, written: 0, read: 0, leased: 0, spool: spool.clone() })
    }

    fn is_empty(&self) -> bool {
        self.read == self.written
    }

    /// Writes a piece at the end. After an error the file is of no more use.
    async fn append(mut self, piece: Bytes) -> io::Result<Parked> {
        let (length, at) = (piece.len() as u64, self.written);
        self.lease(at + length)?;
        let file = self.file.clone();
        blocking(move || file.write_all_at(&piece, at)).await?;
        self.written += length;
        Ok(self)
    }

    /// Whether so many bytes more may be written.
    fn has_room(&self, bytes: usize) -> bool {
        let missing = (self.written + bytes as u64).saturating_sub(self.leased);
        let disk = &self.spool.0;
        disk.used.load(Ordering::Relaxed).saturating_add(missing) <= disk.bytes_max
    }

    fn lease(&mut self, length: u64) -> io::Result<()> {
        let missing = length.saturating_sub(self.leased);
        let disk = &self.spool.0;
        let used = disk.used.fetch_add(missing, Ordering::Relaxed) + missing;
        self.leased += missing;
        if used > disk.bytes_max {
            let message = format!("files of waiting content have reached {} bytes", disk.bytes_max);
            return Err(io::Error::new(io::ErrorKind::StorageFull, message));
        }
        Ok(())
    }

    /// The next piece, at most `most` bytes of it.
    async fn next(&mut self, most: usize) -> io::Result<Bytes> {
        let left = usize::try_from(self.written - self.read).unwrap_or(usize::MAX);
        let (file, at, length) = (self.file.clone(), self.read, left.min(most));
        let piece = blocking(move || {
            let mut piece = BytesMut::zeroed(length);
            file.read_exact_at(&mut piece, at).map(|()| piece.freeze())
        });
        let piece = piece.await?;
        self.read += piece.len() as u64;
        Ok(piece)
    }
}

impl Drop for Parked {
    fn drop(&mut self) {
        self.spool.0.used.fetch_sub(self.leased, Ordering::Relaxed);
    }
}

/// Reads and writes of files may wait for the disk, which the edge's threads must not.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

/// Gives a file's content to a reader.
async fn feed(mut file: Parked, to: Writer) {
    while !file.is_empty() && !to.is_abandoned() {
        to.wait_for_room(PIECE_BYTES).await;
        match file.next(PIECE_BYTES).await {
            // There is room, and nobody else writes.
            Ok(piece) => drop(to.push(piece)),
            Err(error) => return to.fail(BodyError::Failed(error.to_string())),
        }
    }
    to.end();
}

/// Moves content on, through a file while the reader is slow.
async fn pump(mut from: Body, to: Writer, spool: Spool) {
    let mut parked: Option<Parked> = None;
    // What was taken and lies nowhere yet, and how the content ended.
    let (mut piece, mut end) = (Bytes::new(), None);
    while !to.is_abandoned() {
        let in_order = parked.as_ref().is_none_or(Parked::is_empty);
        if in_order && to.room() >= piece.len() {
            parked = None;
            let _ = to.push(std::mem::take(&mut piece));
            match end {
                Some(Ok(())) => return to.end(),
                Some(Err(error)) => return to.fail(error),
                None => {}
            }
        } else if !piece.is_empty() {
            parked = match park(parked, &mut piece, &spool).await {
                Ok(parked) => parked,
                Err(error) => return to.fail(BodyError::Failed(error.to_string())),
            };
        }
        if let Some(file) = parked.as_mut().filter(|file| !file.is_empty())
            && to.room() >= PIECE_BYTES
        {
            match file.next(PIECE_BYTES).await {
                Ok(next) => drop(to.push(next)),
                Err(error) => return to.fail(BodyError::Failed(error.to_string())),
            }
            continue;
        }
        tokio::select! {
            next = from.next(), if piece.is_empty() && end.is_none() => match next {
                Some(Ok(next)) => piece = next,
                Some(Err(error)) => end = Some(Err(error)),
                None => end = Some(Ok(())),
            },
            () = to.changed() => {}
        }
    }
}

/// Puts a piece into the file, if it may; else it stays where it is.
async fn park(
    parked: Option<Parked>,
    piece: &mut Bytes,
    spool: &Spool,
) -> io::Result<Option<Parked>> {
    let file = match parked {
        Some(file) => file,
        None => match Parked::new(spool) {
            Ok(file) => file,
            Err(error) => {
                if !spool.0.said.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%error, "answers can't be put aside, and wait for their clients");
                }
                return Ok(None);
            }
        },
    };
    if !file.has_room(piece.len()) {
        return Ok(Some(file));
    }
    file.append(std::mem::take(piece)).await.map(Some)
}

/// How much is read from a file at a time.
const PIECE_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests;
