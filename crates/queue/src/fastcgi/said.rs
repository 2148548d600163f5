//! What PHP writes to a request's stderr: its warnings and errors, line by line for the log, under
//! the request's id.

use flow::RequestId;

/// What a request's script has said so far.
pub(super) struct Said {
    id: RequestId,
    /// How much more of it is logged.
    room: usize,
}

impl Said {
    pub(super) fn new(id: RequestId) -> Said {
        Said { id, room: BYTES_MAX }
    }

    /// A record of stderr. What does not fit is dropped, and that is said once.
    pub(super) fn take(&mut self, text: &[u8]) {
        if self.room == 0 {
            return;
        }
        let kept = &text[..text.len().min(self.room)];
        self.room -= kept.len();
        let request = self.id;
        for line in lines(&String::from_utf8_lossy(kept)) {
            tracing::warn!(%request, "{line}");
        }
        if self.room == 0 {
            tracing::warn!(%request, "the script says more than {BYTES_MAX} bytes; no more is logged");
        }
    }
}

/// The lines of it. php-fpm puts its own words before each message, and joins several by "; ".
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split(BETWEEN)
        .map(|message| message.strip_prefix(BEFORE).unwrap_or(message))
        .flat_map(str::lines)
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
}

const BEFORE: &str = "PHP message: ";
const BETWEEN: &str = "; PHP message: ";
const BYTES_MAX: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_become_lines() {
        let lines: Vec<_> =
            lines("PHP message: PHP Warning:  a; b in /x\n#0 {main}; PHP message: c\n\n").collect();
        assert_eq!(lines, ["PHP Warning:  a; b in /x", "#0 {main}", "c"]);
        assert_eq!(super::lines("hello\n").collect::<Vec<_>>(), ["hello"]);
    }

    #[test]
    fn what_is_logged_is_bounded() {
        let mut said = Said::new(RequestId::new(1, 1));
        for _ in 0..100 {
            said.take(&[b'x'; 1000]);
        }
        assert_eq!(said.room, 0);
    }
}
