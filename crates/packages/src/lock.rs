//! One fetch at a time: a lock on a file, given back by the kernel even when its holder is killed.
//!
//! The wait asks again every tenth of a second instead of blocking a thread in the kernel: such a
//! thread could not be given up when the fetch is no longer wanted.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::{Error, at};

/// Takes the lock at `path`; it is held until the returned file is dropped.
pub(crate) async fn acquire(
    path: &Path,
    limit: Duration,
    progress: &mut impl FnMut(&str),
) -> Result<File, Error> {
    let file =
        File::options().create(true).truncate(false).write(true).open(path).map_err(at(path))?;
    let deadline = Instant::now() + limit;
    let mut told = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(at(path)(error)),
            Err(TryLockError::WouldBlock) if Instant::now() >= deadline => {
                return Err(Error::Held { path: path.to_owned(), limit });
            }
            Err(TryLockError::WouldBlock) => {}
        }
        if !std::mem::replace(&mut told, true) {
            progress("waiting for another davy that fetches packages");
        }
        sleep(ASK_AGAIN).await;
    }
}

const ASK_AGAIN: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_held_lock_is_waited_for_and_given_up_at_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let held = acquire(&path, Duration::from_secs(1), &mut |_| {}).await.unwrap();
        let mut said = Vec::new();
        let second =
            acquire(&path, Duration::from_secs(60), &mut |line| said.push(line.to_owned())).await;
        assert!(matches!(second, Err(Error::Held { .. })), "{second:?}");
        assert_eq!(said.len(), 1, "the wait is told once");
        drop(held);
        // A child that another test forks just now holds the lock, too, until it executes its
        // program.
        tokio::time::resume();
        acquire(&path, Duration::from_secs(60), &mut |_| {}).await.unwrap();
    }
}
