//! The values of the table `[limits]`: times and sizes, with their units.

use std::time::Duration;

use crate::problems::Fault;

/// A time such as `30s`, at least `least` and at most a year.
pub(super) fn time(name: &str, text: &str, least: Duration) -> Result<Duration, Fault> {
    let units = [("s", 1), ("m", 60), ("h", 3600), ("d", 86400)];
    let Some(seconds) = amount(text, &units) else {
        return Err(Fault::new(
            format!("`{name}` can't be \"{text}\""),
            "write a number and its unit, such as \"30s\", \"5m\", \"2h\" or \"1d\"",
        ));
    };
    let time = Duration::from_secs(seconds);
    if time < least || time > YEAR {
        let message = format!("`{name}` must be at least {} s and at most 365 d", least.as_secs());
        return Err(Fault::new(message, "without the line davy takes the usual time"));
    }
    Ok(time)
}

/// A size such as `512MB`, at least 16 MB. As in nginx and PHP, a KB is 1024 bytes.
pub(super) fn size(name: &str, text: &str) -> Result<u64, Fault> {
    let (kilo, mega, giga) = (1 << 10, 1 << 20, 1 << 30);
    let units = [
        ("KB", kilo),
        ("MB", mega),
        ("GB", giga),
        ("KiB", kilo),
        ("MiB", mega),
        ("GiB", giga),
        ("K", kilo),
        ("M", mega),
        ("G", giga),
    ];
    match amount(text, &units) {
        Some(bytes) if bytes >= 16 * mega => Ok(bytes),
        Some(_) => {
            let help = "an interpreter alone needs about as much";
            Err(Fault::new(format!("`{name}` must be at least 16 MB"), help))
        }
        None => Err(Fault::new(
            format!("`{name}` can't be \"{text}\""),
            "write a number and its unit, such as \"512MB\" or \"2GB\"",
        )),
    }
}

/// A whole number and one of `units`, perhaps with a space between them.
fn amount(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(at);
    let unit = unit.trim_start();
    let (_, factor) = units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

const YEAR: Duration = Duration::from_secs(365 * 86400);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_have_units() {
        let second = Duration::from_secs(1);
        assert_eq!(time("x", "30s", second).ok(), Some(30 * second));
        assert_eq!(time("x", "5 m", second).ok(), Some(300 * second));
        assert_eq!(time("x", "2H", second).ok(), Some(7200 * second));
        assert_eq!(size("x", "512MB").ok(), Some(512 << 20));
        assert_eq!(size("x", "2 gib").ok(), Some(2 << 30));
        for text in ["", "30", "s", "-1s", "1.5s", "0s", "99999999999999999999s", "366d", "1 s s"] {
            assert!(time("x", text, second).is_err(), "{text}");
        }
        for text in ["512", "MB", "15MB", "99999999999999999999GB", "17179869184G"] {
            assert!(size("x", text).is_err(), "{text}");
        }
    }
}
