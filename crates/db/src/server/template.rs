//! A new data directory, as a copy of one that lies in the cache: making one takes the server a
//! second, copying it some hundredths.
//!
//! ```text
//!   cache/database.lock             one process at a time
//!   cache/database-10.11.19-5c1d…/  complete; the same for all sites: no account, no secret
//!          │ copy: blocks shared where the file system can, holes kept
//!          ▼
//!   data.part/ ── sync ── rename ──▶ data/
//! ```
//! The name has the version and a hash of all that goes into it; what has another name is removed
//! when a new one is made. A cache that can't be used costs time only: the data directory is then
//! made on the spot.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use proc::{Lock, Locked};
use rustix::fs::SeekFrom;
use tokio::time::{Instant, sleep};

use super::bootstrap::{self, Making};
use crate::error::{Error, at};

/// Makes the data directory at `data`, complete or not at all.
pub(crate) async fn make_data(
    making: &Making<'_>,
    cache: &Path,
    data: &Path,
    progress: &mut impl FnMut(&str),
) -> Result<(), Error> {
    match copied(making, cache, data, progress).await {
        Err(error @ Error::Io { .. }) => {
            tracing::warn!(%error, "the cache can't be used; the data directory is made without it");
            bootstrap::make(making, data).await
        }
        done => done,
    }
}

async fn copied(
    making: &Making<'_>,
    cache: &Path,
    data: &Path,
    progress: &mut impl FnMut(&str),
) -> Result<(), Error> {
    fs::create_dir_all(cache).map_err(at(cache))?;
    let _lock = lock(&cache.join("database.lock")).await?;
    let template = cache.join(name(making));
    if !template.exists() {
        progress("making a data directory to copy, once for all sites");
        bootstrap::make(making, &template).await?;
        prune(cache, &template);
    }
    let part = bootstrap::begin(data)?;
    copy(&template, &part).map_err(at(&template))?;
    bootstrap::complete(&part, data)
}

/// Waits for other davys that make or copy it just now.
async fn lock(path: &Path) -> Result<Lock, Error> {
    let deadline = Instant::now() + LOCK_LIMIT;
    loop {
        match Lock::take(path).map_err(at(path))? {
            Locked::Ours(lock) => return Ok(lock),
            Locked::Held { .. } if Instant::now() < deadline => sleep(ASK_AGAIN).await,
            Locked::Held { .. } => return Err(at(path)(io::ErrorKind::TimedOut.into())),
        }
    }
}

/// `database-10.11.19-5c1d0f…`: another version or other SQL, another template.
fn name(making: &Making<'_>) -> String {
    let mut hash = DefaultHasher::new();
    (&making.sql, &making.zones).hash(&mut hash);
    bootstrap::FLAGS.hash(&mut hash);
    making.installation.program.hash(&mut hash);
    format!("{PREFIX}{}-{:016x}", making.installation.version, hash.finish())
}

/// Removes the templates of other versions; what can't be removed is in nobody's way.
fn prune(cache: &Path, current: &Path) {
    let entries = fs::read_dir(cache).into_iter().flatten().flatten();
    let old = entries.map(|entry| entry.path()).filter(|path| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with(PREFIX)) && path != current
    });
    old.for_each(|path| drop(fs::remove_dir_all(path)));
}

/// Copies what lies in the folder `from` into the folder `to`.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            DirBuilder::new().mode(0o700).create(&to)?;
            copy(&from, &to)?;
        } else {
            let to = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&to)?;
            copy_file(&File::open(&from)?, &to)?;
        }
    }
    Ok(())
}

/// Shares the blocks, or else copies those that hold something. What is reserved on disk without
/// being written, as the redo log is, is reserved again: a full disk must not stop the server's
/// log.
fn copy_file(from: &File, to: &File) -> io::Result<()> {
    if rustix::fs::ioctl_ficlone(to, from).is_ok() {
        return Ok(());
    }
    let meta = from.metadata()?;
    to.set_len(meta.len())?;
    if meta.len() > 0 && meta.blocks() * 512 >= meta.len() {
        // Not every file system can; then the blocks come when they are written.
        let _ = rustix::fs::fallocate(to, rustix::fs::FallocateFlags::empty(), 0, meta.len());
    }
    let mut at = 0;
    while let Some((begin, end)) = next_piece(from, at)? {
        copy_piece(from, to, begin, end)?;
        at = end;
    }
    Ok(())
}

/// The next piece of the file that is not a hole, from `at` on.
fn next_piece(file: &File, at: u64) -> io::Result<Option<(u64, u64)>> {
    match rustix::fs::seek(file, SeekFrom::Data(at)) {
        Ok(begin) => Ok(Some((begin, rustix::fs::seek(file, SeekFrom::Hole(begin))?))),
        Err(rustix::io::Errno::NXIO) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn copy_piece(from: &File, to: &File, begin: u64, end: u64) -> io::Result<()> {
    rustix::fs::seek(from, SeekFrom::Start(begin))?;
    rustix::fs::seek(to, SeekFrom::Start(begin))?;
    // Within the kernel, where it can (copy_file_range).
    let copied = io::copy(&mut io::Read::take(from, end - begin), &mut &*to)?;
    match copied == end - begin {
        true => Ok(()),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

const PREFIX: &str = "database-";
const ASK_AGAIN: Duration = Duration::from_millis(10);
/// More than making one takes on a slow disk.
const LOCK_LIMIT: Duration = Duration::from_mins(2);

#[cfg(test)]
mod tests;
