//! Orphans: processes whose parent, one of our children, has died. They become ours, so that none is
//! left behind when davy ends.

use std::fs;
use std::io;

use rustix::process::{Pid, WaitOptions};

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
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
