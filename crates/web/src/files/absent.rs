//! Paths that were no files a moment ago: what goes to the application is not looked for in the
//! site's folders each time, nor is the script that answers for a path of a PHP site. What appears or
//! goes is noticed a second later at the latest.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use flow::{Script, Stamp};

/// Paths of a site at which no file lay a moment ago.
#[derive(Debug, Default)]
pub struct Absent(Mutex<HashMap<Box<str>, Entry>>);

#[derive(Debug)]
struct Entry {
    until: Stamp,
    script: Option<Script>,
}

impl Absent {
    /// When nothing lay there as this was last looked up: the script that answers for it, if any.
    pub(crate) fn get(&self, path: &str, now: Stamp) -> Option<Option<Script>> {
        let paths = self.paths();
        let entry = paths.get(path).filter(|entry| now < entry.until)?;
        Some(entry.script.clone())
    }

    /// No file lies there, and this script answers for it.
    pub(crate) fn add(&self, path: &str, script: Option<Script>, now: Stamp) {
        if path.len() > PATH_BYTES_MAX {
            return;
        }
        let mut paths = self.paths();
        if paths.len() >= PATHS_MAX {
            // Whoever asks for ever new paths only makes them be looked for, as without this.
            paths.clear();
        }
        paths.insert(path.into(), Entry { until: now.after(REMEMBERED), script });
    }

    fn paths(&self) -> MutexGuard<'_, HashMap<Box<str>, Entry>> {
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
        absent.add("/a", None, at(10));
        assert_eq!(absent.get("/a", at(1_009)), Some(None));
        assert_eq!(absent.get("/a", at(1_010)), None);
        assert_eq!(absent.get("/b", at(10)), None);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let absent = Absent::default();
        absent.add(&"x".repeat(PATH_BYTES_MAX + 1), None, Stamp(0));
        assert_eq!(absent.paths().len(), 0);
        for n in 0..PATHS_MAX * 3 {
            absent.add(&n.to_string(), None, Stamp(0));
            assert!(absent.paths().len() <= PATHS_MAX);
        }
    }
}
