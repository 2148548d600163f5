//! Paths that were no files a moment ago: what goes to the application is not looked for in the
//! site's folders each time. A file that appears is found a second later at the latest.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use flow::Stamp;

/// Paths of a site at which nothing lay a moment ago.
#[derive(Debug, Default)]
pub struct Absent(Mutex<HashMap<Box<str>, Stamp>>);

impl Absent {
    /// Whether nothing lay there when this was last looked up.
    pub(crate) fn has(&self, path: &str, now: Stamp) -> bool {
        self.paths().get(path).is_some_and(|until| now < *until)
    }

    /// Nothing lies there.
    pub(crate) fn add(&self, path: &str, now: Stamp) {
        if path.len() > PATH_BYTES_MAX {
            return;
        }
        let mut paths = self.paths();
        if paths.len() >= PATHS_MAX {
            // Whoever asks for ever new paths only makes them be looked for, as without this.
            paths.clear();
        }
        paths.insert(path.into(), now.after(REMEMBERED));
    }

    fn paths(&self) -> MutexGuard<'_, HashMap<Box<str>, Stamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const REMEMBERED: Duration = Duration::from_secs(1);
const PATHS_MAX: usize = 256;
const PATH_BYTES_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_remembered_for_a_second() {
        let absent = Absent::default();
        let at = |ms: u64| Stamp(ms * 1_000_000);
        absent.add("/a", at(10));
        assert!(absent.has("/a", at(1_009)));
        assert!(!absent.has("/a", at(1_010)));
        assert!(!absent.has("/b", at(10)));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let absent = Absent::default();
        absent.add(&"x".repeat(PATH_BYTES_MAX + 1), Stamp(0));
        assert_eq!(absent.paths().len(), 0);
        for n in 0..PATHS_MAX * 3 {
            absent.add(&n.to_string(), Stamp(0));
            assert!(absent.paths().len() <= PATHS_MAX);
        }
    }
}
