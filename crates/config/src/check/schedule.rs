//! The lines of the tables `[jobs]` and `[cron]`.
//!
//! A schedule is written as crontab(5) has it: minute, hour, day of the month, month, day of the
//! week, each a list of numbers and ranges with steps, or `@hourly` and its like; before it may stand
//! `CRON_TZ=Europe/Berlin`. What is never due is refused.

use crate::problems::Fault;
use crate::suggest::nearest;
use crate::{Cron, Schedule};

/// A line of `[cron]`: when, then what.
pub(super) fn cron(text: &str) -> Result<Cron, Fault> {
    let (zone, rest) = zone(text.trim_start())?;
    let (schedule, command) = match rest.strip_prefix('@') {
        Some(rest) => {
            let (word, command) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            (fields(named(word)?)?, command)
        }
        None => {
            let (when, command) = split(rest).ok_or_else(|| Fault::new(FORM, HELP))?;
            (fields(when)?, command)
        }
    };
    let (schedule, command) = (Schedule { zone, ..schedule }, command_of(command)?);
    Ok(Cron { schedule, command, line: text.to_owned() })
}

/// The name of a job, a word for logs and commands.
pub(super) fn name(text: &str) -> Result<(), Fault> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if text.is_empty() || text.len() > 64 || !text.chars().all(fits) {
        return Err(Fault::new(
            format!("`{text}` can't be the name of a job"),
            "use up to 64 letters, digits, `-` and `_`",
        ));
    }
    Ok(())
}

fn command_of(text: &str) -> Result<String, Fault> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Fault::new("there is no command behind the time", HELP));
    }
    super::app::command(text)
}

fn zone(text: &str) -> Result<(Option<String>, &str), Fault> {
    let Some(rest) = text.strip_prefix("CRON_TZ=").or_else(|| text.strip_prefix("TZ=")) else {
        return Ok((None, text));
    };
    let (zone, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let fits = |c: char| c.is_ascii_alphanumeric() || "/_+-".contains(c);
    if zone.is_empty() || zone.starts_with('/') || !zone.chars().all(fits) {
        let help = "write it like `CRON_TZ=Europe/Berlin 0 3 * * * …`";
        return Err(Fault::new(format!("`{zone}` can't be the name of a time zone"), help));
    }
    Ok((Some(zone.to_owned()), rest.trim_start()))
}

/// The five fields, and what stands behind them.
fn split(text: &str) -> Option<(&str, &str)> {
    let mut rest = text;
    for _ in 0..5 {
        let end = rest.find(char::is_whitespace)?;
        rest = rest[end..].trim_start();
    }
    Some((&text[..text.len() - rest.len()], rest))
}

fn named(word: &str) -> Result<&'static str, Fault> {
    let found = NAMED.iter().find(|(name, _)| *name == word).map(|(_, fields)| *fields);
    found.ok_or_else(|| {
        let help = match nearest(word, NAMED.map(|(name, _)| name)) {
            Some(name) => format!("did you mean \"@{name}\"?"),
            None => "write @hourly, @daily, @weekly, @monthly, @yearly or five fields".to_owned(),
        };
        Fault::new(format!("`@{word}` is no time"), help)
    })
}

fn fields(text: &str) -> Result<Schedule, Fault> {
    let mut texts = text.split_whitespace();
    let mut next = |field: Field| set(field, texts.next().unwrap_or_default());
    let (minutes, hours, days) = (next(MINUTE)?, next(HOUR)?, next(DAY)?);
    let (months, weekdays) = (next(MONTH)?, next(WEEKDAY)?);
    // 7 is Sunday too.
    let weekdays = (weekdays | weekdays >> 7) & 0x7f;
    let mut either = text.split_whitespace().skip(2).step_by(2).take(2);
    let either_day = either.all(|field| !field.starts_with('*'));
    let longest = |month: u32| DAYS[month as usize - 1];
    let has_day = |month: u32| days & ((1 << (longest(month) + 1)) - 1) != 0;
    if !either_day && !(1..=12).any(|month| months & 1 << month != 0 && has_day(month)) {
        return Err(Fault::new("no month has that day", HELP));
    }
    Ok(Schedule { minutes, hours, days, months, weekdays, either_day, zone: None })
}

/// One field as a set of bits: `*`, `5`, `1-5`, `*/15`, `1,3,5-9/2`, `mon-fri`.
fn set(field: Field, text: &str) -> Result<u64, Fault> {
    let (name, least, most) = (field.name, field.least, field.most);
    let fault = || {
        let message = format!("`{text}` can't be {name}: it is {least} to {most}");
        Fault::new(message, HELP)
    };
    let mut bits = 0;
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, step.parse().ok().filter(|step| *step > 0)),
            None => (part, Some(1)),
        };
        let step: u32 = step.ok_or_else(fault)?;
        let (first, last) = match range.split_once('-') {
            Some((first, last)) => (field.number(first), field.number(last)),
            None if range == "*" => (Some(least), Some(field.last)),
            None if part.contains('/') => (field.number(range), Some(field.last)),
            None => (field.number(range), field.number(range)),
        };
        let (Some(first), Some(last)) = (first, last) else { return Err(fault()) };
        if first > last {
            return Err(fault());
        }
        let step = usize::try_from(step).unwrap_or(usize::MAX);
        (first..=last).step_by(step).for_each(|number| bits |= 1 << number);
    }
    Ok(bits)
}

/// One of the five fields.
#[derive(Clone, Copy)]
struct Field {
    name: &'static str,
    least: u32,
    most: u32,
    /// The last that `*` means.
    last: u32,
    words: &'static [&'static str],
}

impl Field {
    fn number(&self, text: &str) -> Option<u32> {
        let short = text.to_ascii_lowercase();
        if let Some(at) = self.words.iter().position(|word| *word == short) {
            return Some(self.least + u32::try_from(at).ok()?);
        }
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number: u32 = text.parse().ok().filter(|_| digits)?;
        (self.least..=self.most).contains(&number).then_some(number)
    }
}

const MINUTE: Field = Field { name: "a minute", least: 0, most: 59, last: 59, words: &[] };
const HOUR: Field = Field { name: "an hour", least: 0, most: 23, last: 23, words: &[] };
const DAY: Field = Field { name: "a day of the month", least: 1, most: 31, last: 31, words: &[] };
const MONTH: Field = Field {
    name: "a month",
    least: 1,
    most: 12,
    last: 12,
    words: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
};
const WEEKDAY: Field = Field {
    name: "a day of the week",
    least: 0,
    most: 7,
    last: 6,
    words: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
};
const DAYS: [u32; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
const NAMED: [(&str, &str); 7] = [
    ("hourly", "0 * * * *"),
    ("daily", "0 0 * * *"),
    ("midnight", "0 0 * * *"),
    ("weekly", "0 0 * * 0"),
    ("monthly", "0 0 1 * *"),
    ("yearly", "0 0 1 1 *"),
    ("annually", "0 0 1 1 *"),
];
const FORM: &str = "a time has five fields: minute, hour, day of the month, month, day of the week";
const HELP: &str = "write it like `30 3 * * 1-5 python manage.py clearsessions`";

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(numbers: impl IntoIterator<Item = u32>) -> u64 {
        numbers.into_iter().fold(0, |bits, number| bits | 1 << number)
    }

    #[test]
    fn fields_are_those_of_crontab() {
        let cron = cron("*/15 9-17 1,15 jan-mar,12 Mon-Fri  backup --all ").unwrap();
        let schedule = &cron.schedule;
        assert_eq!(schedule.minutes, bits([0, 15, 30, 45]));
        assert_eq!(schedule.hours, bits(9..=17));
        assert_eq!((schedule.days, schedule.months), (bits([1, 15]), bits([1, 2, 3, 12])));
        assert_eq!((schedule.weekdays, schedule.either_day), (bits(1..=5), true));
        assert_eq!(cron.command, "backup --all");
    }

    #[test]
    fn sunday_has_two_numbers_and_steps_may_begin_anywhere() {
        let schedule = cron("5/20 0 * * 7 x").unwrap().schedule;
        assert_eq!((schedule.minutes, schedule.weekdays), (bits([5, 25, 45]), 1));
        assert!(!schedule.either_day);
        assert_eq!(cron("0 0 * * 5-7 x").unwrap().schedule.weekdays, bits([0, 5, 6]));
    }

    #[test]
    fn times_have_names_and_zones() {
        let cron = cron("CRON_TZ=Europe/Berlin @daily ./clean.sh").unwrap();
        assert_eq!((cron.schedule.minutes, cron.schedule.hours), (1, 1));
        assert_eq!(cron.schedule.zone.as_deref(), Some("Europe/Berlin"));
    }

    #[test]
    fn what_is_no_time_or_never_comes_is_refused() {
        for text in [
            "",
            "* * * * *",
            "0 3 * * x",
            "60 * * * * x",
            "* 24 * * * x",
            "* * 0 * * x",
            "* * * 13 * x",
            "* * * * 8 x",
            "*/0 * * * * x",
            "5-1 * * * * x",
            "+1 * * * * x",
            "1,,2 * * * * x",
            "0 0 31 2,4 * x",
            "@dayly x",
            "@daily",
            "TZ=/etc/passwd @daily x",
            "99999999999999999999 * * * * x",
            "*/99999999999 * * * * x",
        ] {
            assert!(cron(text).is_err(), "{text:?}");
        }
        assert!(cron("0 0 29 2 * x").is_ok());
        assert!(cron("*/4294967295 * * * * x").is_ok());
    }
}
