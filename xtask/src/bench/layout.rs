//! Which CPUs the servers and the load have.
//!
//! ```text
//!            CPU 0                CPU 1
//!   One      servers, database    load             what a core's worth of server can do
//!   Two      servers, database and load on both    what a small machine can do
//! ```

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    One,
    Two,
}

impl Layout {
    pub(crate) const ALL: [Layout; 2] = [Layout::One, Layout::Two];

    /// The servers' CPUs, in the words of taskset.
    pub(crate) fn servers(self) -> &'static str {
        match self {
            Layout::One => "0",
            Layout::Two => "0,1",
        }
    }

    /// The CPUs of the load.
    pub(crate) fn load(self) -> &'static str {
        match self {
            Layout::One => "1",
            Layout::Two => "0,1",
        }
    }

    /// How many cores the servers are set up for.
    pub(crate) fn cores(self) -> usize {
        match self {
            Layout::One => 1,
            Layout::Two => 2,
        }
    }
}

impl std::fmt::Display for Layout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Layout::One => "one core for the servers, one for the load",
            Layout::Two => "two cores, shared by servers and load",
        })
    }
}
