//! Memory of a server: PSS, where a page that several processes share counts once in all.

use std::fs;

use anyhow::{Context as _, Result};

use super::cpu;

/// What these processes and their descendants hold, in KiB. The kernel's own buffers for sockets
/// are not in it.
pub(crate) fn pss_kib(roots: &[u32]) -> Result<u64> {
    let mut sum = 0;
    for stat in cpu::family(roots)? {
        let path = format!("/proc/{}/smaps_rollup", stat.pid);
        let text = fs::read_to_string(&path).with_context(|| path.clone())?;
        sum += parse(&text).with_context(|| format!("{path}: {text}"))?;
    }
    Ok(sum)
}

/// The line `Pss:  1234 kB` of smaps_rollup (proc_pid_smaps(5)).
fn parse(text: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    rest.trim().strip_suffix(" kB")?.parse().ok()
}

#[cfg(test)]
mod tests;
