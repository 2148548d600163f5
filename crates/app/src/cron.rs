//! When a command of `[cron]` is due. Pure: the time is an argument.
//!
//! A time zone's clock jumps twice a year. A command with an hour of its own runs once on such days
//! too: where its minute is left out it runs as much later, where its minute comes twice it runs the
//! first time. One that is due in every hour follows the hours that pass instead.

use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan, Zoned};

use crate::Error;

/// The fields of crontab(5), each a set of bits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// 0 to 59.
    pub minutes: u64,
    /// 0 to 23.
    pub hours: u64,
    /// Days of the month, 1 to 31.
    pub days: u64,
    /// 1 to 12.
    pub months: u64,
    /// Days of the week, 0 to 6, from Sunday on.
    pub weekdays: u64,
    /// Whether one of the two kinds of days is enough.
    pub either_day: bool,
}

/// A schedule in a time zone.
#[derive(Clone, Debug)]
pub struct Times {
    schedule: Schedule,
    zone: TimeZone,
}

impl Times {
    /// The times of `schedule` in the zone of that name; without one, in the machine's.
    pub fn new(schedule: Schedule, zone: Option<&str>) -> Result<Times, Error> {
        let zone = match zone {
            None | Some("") => TimeZone::system(),
            Some(name) => {
                TimeZone::get(name).map_err(|_| Error::UnknownZone { zone: name.to_owned() })?
            }
        };
        Ok(Times { schedule, zone })
    }

    /// The first time after `now`; None when none comes in the next five years, or in this program's
    /// time at all.
    pub fn next(&self, now: Timestamp) -> Option<Timestamp> {
        let local = now.to_zoned(self.zone.clone());
        if self.schedule.hours == ALL_HOURS {
            return self.next_minute(&local);
        }
        // The clock's second pass of an hour lies behind what it showed before.
        let mut at = local.datetime();
        loop {
            at = self.next_on_the_clock(at)?;
            let due = at.to_zoned(self.zone.clone()).ok()?.timestamp();
            if due > now {
                return Some(due);
            }
        }
    }

    /// For every hour: whatever the clock shows as the minutes pass.
    fn next_minute(&self, now: &Zoned) -> Option<Timestamp> {
        let mut at = minute_of(now.datetime()).to_zoned(now.time_zone().clone()).ok()?;
        // Of an hour that comes twice the clock may name the first; what passes is real time.
        while at.timestamp() < now.timestamp() {
            at = at.checked_add(1.minute()).ok()?;
        }
        for _ in 0..DAYS_MAX {
            let day_ends = at.date().tomorrow().ok()?;
            while at.date() < day_ends {
                if at.timestamp() > now.timestamp() && self.schedule.has(at.datetime()) {
                    return Some(at.timestamp());
                }
                if !self.schedule.has_day(at.datetime()) {
                    break;
                }
                at = at.checked_add(1.minute()).ok()?;
            }
            if at.date() < day_ends {
                at = day_ends.to_zoned(self.zone.clone()).ok()?;
            }
        }
        None
    }

    fn next_on_the_clock(&self, after: DateTime) -> Option<DateTime> {
        let mut at = minute_of(after).checked_add(1.minute()).ok()?;
        for _ in 0..DAYS_MAX {
            if self.schedule.has_day(at) {
                let date = at.date();
                while at.date() == date {
                    if self.schedule.has(at) {
                        return Some(at);
                    }
                    at = at.checked_add(1.minute()).ok()?;
                }
            } else {
                at = at.date().tomorrow().ok()?.to_datetime(Time::midnight());
            }
        }
        None
    }
}

impl Schedule {
    fn has(&self, at: DateTime) -> bool {
        let bit = |set: u64, number: i8| set & 1 << number != 0;
        bit(self.minutes, at.minute()) && bit(self.hours, at.hour()) && self.has_day(at)
    }

    fn has_day(&self, at: DateTime) -> bool {
        let day = self.days & 1 << at.day() != 0;
        let weekday = self.weekdays & 1 << at.weekday().to_sunday_zero_offset() != 0;
        let both = if self.either_day { day || weekday } else { day && weekday };
        both && self.months & 1 << at.month() != 0
    }
}

fn minute_of(at: DateTime) -> DateTime {
    let seconds: Span = i64::from(at.second()).seconds().nanoseconds(at.subsec_nanosecond());
    at.saturating_sub(seconds)
}

const ALL_HOURS: u64 = (1 << 24) - 1;
/// Between two 29ths of February there may be eight years, and a weekday may be asked for too.
const DAYS_MAX: usize = 366 * 41;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn every() -> Schedule {
        Schedule {
            minutes: u64::MAX >> 4,
            hours: ALL_HOURS,
            days: u64::MAX,
            months: u64::MAX,
            weekdays: 0x7f,
            either_day: false,
        }
    }

    fn next(schedule: Schedule, after: &str) -> String {
        let times = Times::new(schedule, Some("Europe/Berlin")).unwrap();
        let after: Timestamp = after.parse().unwrap();
        times.next(after).map_or_else(|| "never".into(), |at| at.to_string())
    }

    fn daily(hour: u32, minute: u32) -> Schedule {
        Schedule { minutes: 1 << minute, hours: 1 << hour, ..every() }
    }

    #[test]
    fn times_are_those_of_the_zone() {
        assert_eq!(next(every(), "2026-11-24T10:00:00Z"), "2026-11-24T10:01:00Z");
        assert_eq!(next(every(), "2026-11-24T10:00:59.9Z"), "2026-11-24T10:01:00Z");
        assert_eq!(next(daily(3, 0), "2026-11-24T10:00:00Z"), "2026-11-25T02:00:00Z");
        assert_eq!(next(daily(3, 0), "2026-07-01T10:00:00Z"), "2026-07-02T01:00:00Z");
        assert_eq!(next(daily(3, 0), "2026-11-24T02:00:00Z"), "2026-11-25T02:00:00Z");
    }

    #[test]
    fn minute_that_is_left_out_runs_as_much_later() {
        // 29 March 2026, 02:00 becomes 03:00.
        assert_eq!(next(daily(2, 30), "2026-03-28T12:00:00Z"), "2026-03-29T01:30:00Z");
        assert_eq!(next(daily(2, 30), "2026-03-29T01:30:00Z"), "2026-03-30T00:30:00Z");
    }

    #[test]
    fn minute_that_comes_twice_runs_once_unless_it_is_due_every_hour() {
        // 25 October 2026, 03:00 becomes 02:00.
        assert_eq!(next(daily(2, 30), "2026-10-24T12:00:00Z"), "2026-10-25T00:30:00Z");
        assert_eq!(next(daily(2, 30), "2026-10-25T00:30:00Z"), "2026-10-26T01:30:00Z");
        assert_eq!(next(daily(2, 30), "2026-10-25T01:10:00Z"), "2026-10-26T01:30:00Z");
        let hourly = Schedule { minutes: 1 << 30, ..every() };
        assert_eq!(next(hourly.clone(), "2026-10-25T00:30:00Z"), "2026-10-25T01:30:00Z");
        assert_eq!(next(hourly.clone(), "2026-10-25T01:05:00Z"), "2026-10-25T01:30:00Z");
        assert_eq!(next(hourly, "2026-10-25T01:30:00Z"), "2026-10-25T02:30:00Z");
    }

    #[test]
    fn days_of_month_and_week_are_joined_as_crontab_has_it() {
        let both =
            Schedule { days: 1 << 1 | 1 << 15, weekdays: 1 << 1, either_day: true, ..daily(0, 0) };
        // Tuesday 24 November: the next Monday is the 30th, then comes the first.
        assert_eq!(next(both.clone(), "2026-11-24T10:00:00Z"), "2026-11-29T23:00:00Z");
        assert_eq!(next(both, "2026-11-29T23:00:00Z"), "2026-11-30T23:00:00Z");
        let leap = Schedule { days: 1 << 29, months: 1 << 2, ..daily(0, 0) };
        assert_eq!(next(leap, "2026-11-24T10:00:00Z"), "2028-02-28T23:00:00Z");
        let never = Schedule { days: 1 << 31, months: 1 << 2, ..daily(0, 0) };
        assert_eq!(next(never, "2026-11-24T10:00:00Z"), "never");
    }

    #[test]
    fn unknown_zones_are_named() {
        let error = Times::new(every(), Some("Europe/Atlantis")).unwrap_err().to_string();
        assert!(error.contains("Europe/Atlantis"), "{error}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn next_time_is_later_and_fits(
            minutes in 1u64..1 << 60, hours in 1u64..1 << 24, days in any::<u32>(),
            weekdays in 1u64..1 << 7, seconds in 0i64..4_000_000_000,
        ) {
            let days = u64::from(days) | 1 << 10;
            let schedule = Schedule { minutes, hours, days, weekdays, ..every() };
            let times = Times::new(schedule.clone(), Some("America/New_York")).unwrap();
            let now = Timestamp::from_second(seconds).unwrap();
            let next = times.next(now).unwrap();
            prop_assert!(next > now);
            prop_assert!(next.as_second() % 60 == 0);
            let local = next.to_zoned(times.zone.clone()).datetime();
            // On the day of a jump it may be an hour later.
            let earlier = local.saturating_sub(1.hour());
            prop_assert!(schedule.has(local) || schedule.has(earlier), "{local}");
        }
    }
}
