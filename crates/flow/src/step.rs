//! The nine steps, and the moments they are measured by.
//!
//! All stamps are CLOCK_MONOTONIC nanoseconds, so that stamps taken in different processes of one
//! machine (edge, worker) can be compared. A stamp of zero means "did not happen".

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Text;

/// One of the nine steps of a request. Pages, log lines and traces name failures by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// 1: the visitor's browser.
    Browser,
    /// 2: the question for an address.
    Dns,
    /// 3: the record that answers it.
    Record,
    /// 4: TCP, TLS, the HTTP request.
    Connect,
    /// 5: the web server: routing and static files.
    Web,
    /// 6: waiting for a free worker.
    Queue,
    /// 7: the site's own code, and its database.
    App,
    /// 8: the application's response on its way back.
    Answer,
    /// 9: the response on its way to the browser.
    Response,
}

impl Step {
    /// All of them, in their order.
    pub const ALL: [Step; 9] = [
        Step::Browser,
        Step::Dns,
        Step::Record,
        Step::Connect,
        Step::Web,
        Step::Queue,
        Step::App,
        Step::Answer,
        Step::Response,
    ];

    /// The step's name as it stands in logs, pages and traces.
    pub fn name(self) -> &'static str {
        match self {
            Step::Browser => "browser",
            Step::Dns => "dns",
            Step::Record => "record",
            Step::Connect => "connect",
            Step::Web => "web",
            Step::Queue => "queue",
            Step::App => "app",
            Step::Answer => "answer",
            Step::Response => "response",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A moment on CLOCK_MONOTONIC, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Stamp(pub u64);

impl Stamp {
    /// The present moment.
    pub fn now() -> Stamp {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        Stamp(now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs())
    }

    /// The time from `earlier` to this stamp; zero when it lies the other way round.
    pub fn since(self, earlier: Stamp) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// This stamp moved into the future.
    pub fn after(self, wait: Duration) -> Stamp {
        Stamp(self.0.saturating_add(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// What stands on an error page and in the log line of the same request: 12 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RequestId(u64);

impl RequestId {
    /// The id of the `count`-th request of a server seeded with `seed`. Neighbours look unrelated
    /// (the finaliser of splitmix64), so ids of two servers or two restarts hardly ever collide.
    pub fn new(seed: u64, count: u64) -> RequestId {
        let mut z = seed.wrapping_add(count.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        RequestId((z ^ (z >> 31)) >> 16)
    }

    /// The digits.
    pub fn text(self) -> Text {
        Text::hexadecimal(self.0)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text().as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_twelve_hexadecimal_digits_and_differ() {
        let ids: Vec<String> = (0..1000).map(|n| RequestId::new(3, n).to_string()).collect();
        assert!(ids.iter().all(|id| id.len() == 12));
        let distinct: std::collections::HashSet<&String> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len());
    }
}
