//! How much memory a process takes: its proportional share (PSS), in which memory that several
//! processes share counts by its part. What they share after a fork is not counted twice.

use std::fs;
use std::time::Duration;

/// How often workers are looked at that have a limit.
pub(super) const EVERY: Duration = Duration::from_secs(2);

/// The proportional share of a process, in bytes; None when it has ended.
pub(super) fn pss(pid: u32) -> Option<u64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    kib(rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?)
}

/// The share of a process if it is above a limit. The kernel has to walk all pages for it, so the
/// resident set is asked first, which is at hand and never smaller.
pub(super) fn above(pid: u32, limit: u64) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let resident = kib(status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?)?;
    if resident <= limit {
        return None;
    }
    pss(pid).filter(|bytes| *bytes > limit)
}

/// `   1234 kB`, in bytes.
fn kib(text: &str) -> Option<u64> {
    text.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_takes_memory_until_it_has_ended() {
        let own = pss(std::process::id()).unwrap();
        assert!((100 * 1024..1 << 40).contains(&own), "{own}");
        assert_eq!(above(std::process::id(), u64::MAX), None);
        assert!(above(std::process::id(), 1).is_some());
        assert_eq!(pss(u32::MAX), None);
    }
}
