//! The load: wrk with 64 connections, which are kept, and one thread.
//!
//! Its own report is for people, so a few lines of Lua print what it counted once more. They define
//! nothing that would run for each request.

use std::net::SocketAddr;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::layout::Layout;

/// What wrk counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) requests: u64,
    pub(crate) duration_us: u64,
    /// All that was received, heads and contents.
    pub(crate) bytes: u64,
    pub(crate) p50_us: u64,
    pub(crate) p99_us: u64,
    /// Answers with a status over 399.
    bad_status: u64,
    /// Connections that could not be made, read or written, and answers that took over 2 s.
    socket_errors: u64,
}

impl Load {
    /// Asks for a path for some seconds.
    pub(crate) fn run(
        address: SocketAddr,
        path: &str,
        layout: Layout,
        seconds: u64,
    ) -> Result<Load> {
        let duration = format!("{seconds}s");
        let connections = CONNECTIONS.to_string();
        // Like a server it ends with the bench.
        let output = Command::new("setpriv")
            .args(["--pdeathsig", "TERM", "taskset", "--cpu-list", layout.load()])
            .args(["wrk", "--threads", "1", "--timeout", "2s"])
            .args(["--connections", &connections, "--duration", &duration, "--script", SCRIPT])
            .arg(format!("http://{address}{path}"))
            .output()
            .context("setpriv can't start")?;
        let text = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            bail!("wrk failed: {}{text}", String::from_utf8_lossy(&output.stderr));
        }
        parse(&text).with_context(|| format!("wrk said:\n{text}"))
    }

    /// Fails unless every request was answered, each with so many bytes.
    pub(crate) fn check(&self, answer_bytes: usize) -> Result<()> {
        let Load { requests, bad_status, socket_errors, .. } = *self;
        if requests == 0 || bad_status + socket_errors > 0 {
            bail!(
                "{bad_status} of {requests} requests were not answered well, and {socket_errors} \
                 connections failed or waited for over 2 s"
            );
        }
        // An answer that was under way at the end is counted with its bytes only.
        let expected = requests as f64 * answer_bytes as f64;
        let deviation = (self.bytes as f64 - expected).abs() / expected;
        if deviation > BYTES_TOLERANCE {
            bail!("{requests} answers of {answer_bytes} bytes were {} bytes", self.bytes);
        }
        Ok(())
    }

    /// Requests in a second.
    pub(crate) fn rate(&self) -> f64 {
        self.requests as f64 * 1e6 / self.duration_us as f64
    }
}

/// The line of load.lua in what wrk printed.
fn parse(text: &str) -> Option<Load> {
    let line = text.lines().find_map(|line| line.strip_prefix("counted "))?;
    let field = |name: &str| {
        let mut pairs = line.split(' ').filter_map(|pair| pair.split_once('='));
        pairs.find(|(found, _)| *found == name)?.1.parse().ok()
    };
    Some(Load {
        requests: field("requests")?,
        duration_us: field("duration_us").filter(|us| *us > 0)?,
        bytes: field("bytes")?,
        p50_us: field("p50_us")?,
        p99_us: field("p99_us")?,
        bad_status: field("status")?,
        socket_errors: field("socket")?,
    })
}

const CONNECTIONS: usize = 64;

/// How far the bytes may be from the requests' number: one more answer on each connection, and a
/// digit more or less in a head.
const BYTES_TOLERANCE: f64 = 0.02;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/bench/load.lua");

#[cfg(test)]
mod tests;
