//! Orphans: processes whose parent, one of our children, has died. They become ours, so that none is
//! left behind when davy ends.

use std::fs;
use std::io;

use rustix::process::{Pid, PidfdFlags, WaitOptions};

use crate::Signal;

/// From now on the orphans of this process's children become its own children.
pub fn own_orphans() -> io::Result<()> {
    let own = rustix::process::getpid();
    Ok(rustix::process::set_child_subreaper(Some(own))?)
}

/// Reaps orphans that have ended; `known` are children that somebody else waits for.
pub fn reap_orphans(known: &[u32]) {
    for pid in orphans(known) {
        let _ = rustix::process::waitpid(Some(pid), WaitOptions::NOHANG);
    }
}

/// Sends a signal to every child, and the process group it leads; returns how many there are. For
/// the end, when nobody waits for a child any more.
pub fn kill_orphans(signal: Signal) -> usize {
    let orphans = orphans(&[]);
    for &pid in &orphans {
        let _ = rustix::process::kill_process_group(pid, signal.into());
        let _ = rustix::process::kill_process(pid, signal.into());
    }
    orphans.len()
}

/// Kills a child of one of our children. An error: it is none, or has gone.
pub fn kill_child_of(parent: u32, child: u32) -> io::Result<()> {
    let gone = || io::Error::from(io::ErrorKind::NotFound);
    let pid = i32::try_from(child).ok().and_then(Pid::from_raw).ok_or_else(gone)?;
    // Opened before it is looked at: the number can't go to another process in between.
    let process = rustix::process::pidfd_open(pid, PidfdFlags::empty())?;
    if parent_of(child) != Some(parent) {
        return Err(gone());
    }
    Ok(rustix::process::pidfd_send_signal(&process, Signal::Kill.into())?)
}

fn orphans(known: &[u32]) -> Vec<Pid> {
    let own = std::process::id();
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    processes
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| !known.contains(pid) && parent_of(*pid) == Some(own))
        .filter_map(|pid| i32::try_from(pid).ok().and_then(Pid::from_raw))
        .collect()
}

/// Field 4 of `/proc/PID/stat`; the name in field 2 may hold anything, so it is cut at the last `)`.
fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_a_parent() {
        let child = std::process::Command::new("sleep").arg("30").spawn();
        let mut child = child.unwrap();
        assert_eq!(parent_of(child.id()), Some(std::process::id()));
        assert!(
            !orphans(&[child.id()]).iter().any(|p| p.as_raw_nonzero().get() as u32 == child.id())
        );
        assert!(kill_child_of(1, child.id()).is_err(), "it has another parent");
        kill_child_of(std::process::id(), child.id()).unwrap();
        child.wait().unwrap();
    }
}
