//! What `/proc` says of processes. Whatever davy starts inherits a variable from it, by which its
//! descendants are known, also those that no longer have a parent.

use std::collections::BTreeMap;
use std::fs;

use rustix::process::{Pid, Signal, kill_process};

/// The variable's name.
pub(crate) const MARK: &str = "DAVY_E2E";

/// A process: its id and its command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// Its program and arguments.
    pub command: String,
}

impl Process {
    pub(crate) fn of(pid: u32) -> Process {
        let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        Process { pid, command: String::from_utf8_lossy(&bytes).replace('\0', " ") }
    }
}

/// The ids of all processes.
pub(crate) fn all() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// All living processes that carry the mark.
pub fn marked(mark: &str) -> Vec<Process> {
    all()
        .filter(|pid| environ(*pid).get(MARK).is_some_and(|found| found == mark))
        .map(Process::of)
        .collect()
}

/// A process's environment; empty when the process has ended or is not ours.
pub fn environ(pid: u32) -> BTreeMap<String, String> {
    let bytes = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    String::from_utf8_lossy(&bytes)
        .split('\0')
        .filter_map(|variable| variable.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// The most memory a process has had so far, in KiB (VmHWM, proc(5)).
pub fn peak_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok())
        .unwrap_or_else(|| panic!("process {pid} has ended"))
}

/// Sends a signal to a process, which must be there.
pub fn send(pid: u32, signal: Signal) {
    let target = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let target = target.unwrap_or_else(|| panic!("{pid} is no process id"));
    kill_process(target, signal).unwrap_or_else(|error| panic!("signal to process {pid}: {error}"));
}
