//! What a running davy prints, line by line, kept from the start.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The lines of some pipes, in the order they came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    said: Mutex<Said>,
    more: Condvar,
}

#[derive(Debug, Default)]
struct Said {
    lines: Vec<String>,
    open_pipes: usize,
}

impl Lines {
    /// Takes in all that comes out of `pipe`, on a thread that ends with it.
    pub(crate) fn collect(&self, pipe: impl Read + Send + 'static) {
        self.said().open_pipes += 1;
        let lines = self.clone();
        thread::spawn(move || {
            for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
                lines.change(|said| said.lines.push(String::from_utf8_lossy(&line).into_owned()));
            }
            lines.change(|said| said.open_pipes -= 1);
        });
    }

    /// The first line that fits, as soon as there is one. None: it did not come in time, or all
    /// pipes were closed without it.
    pub(crate) fn wait(&self, within: Duration, fits: impl Fn(&str) -> bool) -> Option<String> {
        let deadline = Instant::now() + within;
        let mut said = self.said();
        loop {
            if let Some(line) = said.lines.iter().find(|line| fits(line)) {
                return Some(line.clone());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || said.open_pipes == 0 {
                return None;
            }
            let woken = self.0.more.wait_timeout(said, left);
            said = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until nobody can say anything more, or for a while: what outlives davy may hold its
    /// pipes.
    pub(crate) fn wait_for_end(&self, within: Duration) {
        self.wait(within, |_| false);
    }

    /// All lines so far.
    pub(crate) fn text(&self) -> String {
        self.said().lines.join("\n")
    }

    fn change(&self, change: impl FnOnce(&mut Said)) {
        change(&mut self.said());
        self.0.more.notify_all();
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        self.0.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
