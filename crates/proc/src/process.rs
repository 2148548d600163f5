//! A process that another of ours has forked: known by its descriptor, so that no signal ever reaches
//! one that has the same number by chance.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use tokio::io::unix::AsyncFd;

use crate::Signal;
use crate::spawn::pid_of;

/// A process that is not a child of this one, or need not be.
#[derive(Debug)]
pub struct Process {
    pidfd: AsyncFd<OwnedFd>,
    pid: u32,
}

impl Process {
    /// The process of a descriptor as pidfd_open(2) gives it. Needs a tokio runtime.
    pub fn from_pidfd(pidfd: OwnedFd, pid: u32) -> io::Result<Process> {
        // SAFETY: the AsyncFd owns the descriptor and is never taken apart, so the descriptor stays
        // open, and the same, for as long as it is registered.
        Ok(Process { pidfd: unsafe { AsyncFd::register(pidfd)? }, pid })
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits for its end. Cancelling the wait loses nothing.
    pub async fn ended(&self) -> io::Result<()> {
        // Readable from its end on, which is never taken back.
        self.pidfd.readable().await.map(drop)
    }

    /// Sends it a signal; nothing happens when it has ended.
    pub fn signal(&self, signal: Signal) {
        let _ = rustix::process::pidfd_send_signal(self.pidfd.get_ref().as_fd(), signal.into());
    }

    /// Sends a signal to all processes of the group that it leads, also when itself has ended.
    pub fn signal_group(&self, signal: Signal) {
        self.signal(signal);
        if let Some(pid) = pid_of(self.pid) {
            let _ = rustix::process::kill_process_group(pid, signal.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::{PidfdFlags, pidfd_open};

    use super::*;

    #[tokio::test]
    async fn a_process_is_waited_for_and_killed_by_its_descriptor() {
        let mut child = std::process::Command::new("sleep").arg("30").spawn().unwrap();
        let pidfd = pidfd_open(pid_of(child.id()).unwrap(), PidfdFlags::empty()).unwrap();
        let process = Process::from_pidfd(pidfd, child.id()).unwrap();
        process.signal(Signal::Kill);
        process.ended().await.unwrap();
        assert!(!child.wait().unwrap().success());
        process.signal(Signal::Kill);
        process.ended().await.unwrap();
    }
}
