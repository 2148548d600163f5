//! The value of the Date field, made once a second (RFC 9110 §6.6.1).

use std::cell::Cell;
use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// `Sun, 06 Nov 1994 08:49:37 GMT`: always 29 bytes.
pub(crate) type HttpDate = [u8; 29];

/// The present moment.
pub(crate) fn now() -> HttpDate {
    let second = seconds(SystemTime::now());
    // One cache per thread: an edge thread answers all its requests from it without a lock.
    LAST.with(|last| {
        let (made, date) = last.get();
        if made == second {
            return date;
        }
        let date = of(second);
        last.set((second, date));
        date
    })
}

/// The moment that many seconds after 1970; moments that HTTP can't name become 1970.
pub(crate) fn of(second: u64) -> HttpDate {
    // HTTP's dates end with the year 9999.
    let second = if second < 253_402_300_800 { second } else { 0 };
    let moment = httpdate::HttpDate::from(UNIX_EPOCH + Duration::from_secs(second));
    let mut date = [b' '; 29];
    // The text is exactly as long as the array, so that nothing is left to fail.
    let _ = write!(&mut date[..], "{moment}");
    date
}

/// The seconds a date names, if it is one of the three formats of RFC 9110 §5.6.7.
pub(crate) fn parse(value: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(value).ok()?;
    httpdate::parse_http_date(text).ok().map(seconds)
}

fn seconds(moment: SystemTime) -> u64 {
    moment.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

thread_local! {
    static LAST: Cell<(u64, HttpDate)> = const { Cell::new((u64::MAX, [b' '; 29])) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_written_as_it_is_read() {
        assert_eq!(&of(784_111_777), b"Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(parse(b"Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(parse(b"Sunday, 06-Nov-94 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(parse(b"Sun Nov  6 08:49:37 1994"), Some(784_111_777));
        assert_eq!(parse(b"yesterday"), None);
        assert_eq!(of(u64::MAX), of(0));
    }

    #[test]
    fn the_present_moment_is_cached_and_right() {
        let before = seconds(SystemTime::now());
        let now = parse(&now()).unwrap();
        assert!(now >= before && now <= before + 2);
    }
}
