//! The lock that keeps two davys off one folder.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::FlockOperation;

/// A lock file that is held, with our process id in it. The lock ends with the process, however that
/// ends, and with all processes that it was shared with; the file stays.
#[derive(Debug)]
pub struct Lock {
    held: File,
}

/// The outcome of [`Lock::take`].
#[derive(Debug)]
pub enum Locked {
    /// The lock is ours.
    Ours(Lock),
    /// Another process holds it.
    Held {
        /// Its process id, when it has written it down already.
        pid: Option<u32>,
    },
}

impl Lock {
    /// Takes the lock at `path`, without waiting.
    pub fn take(path: &Path) -> io::Result<Locked> {
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                file.set_len(0)?;
                file.rewind()?;
                writeln!(file, "{}", std::process::id())?;
                Ok(Locked::Ours(Lock { held: file }))
            }
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut text = String::new();
                (&mut file).take(32).read_to_string(&mut text)?;
                Ok(Locked::Held { pid: text.trim().parse().ok() })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// A descriptor to give to another process: as long as it is open, the lock is held (flock(2)).
    pub fn share(&self) -> io::Result<OwnedFd> {
        self.held.try_clone().map(OwnedFd::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_taker_learns_who_holds_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let Locked::Ours(lock) = Lock::take(&path).unwrap() else { panic!("nobody holds it") };
        match Lock::take(&path).unwrap() {
            Locked::Held { pid } => assert_eq!(pid, Some(std::process::id())),
            Locked::Ours(_) => panic!("it is held"),
        }
        let shared = lock.share().unwrap();
        drop(lock);
        assert!(matches!(Lock::take(&path).unwrap(), Locked::Held { .. }), "somebody else has it");
        drop(shared);
        assert!(matches!(Lock::take(&path).unwrap(), Locked::Ours(_)));
    }
}
