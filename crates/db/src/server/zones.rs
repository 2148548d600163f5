//! The machine's time zones as the server's own tables have them, so that
//! `CONVERT_TZ(t, 'UTC', 'Europe/Berlin')` and `SET time_zone = 'Asia/Tokyo'` work.
//!
//! MariaDB has a program of its own for it, which its packages for servers leave out and which
//! reads only the first, 32 bit wide half of a file (RFC 9636 §3.1): empty on some systems. Here a
//! zone's rule is followed to the last moment the server can speak of.
//!
//! ```text
//!   1970                                                                     2038, or 2106
//!   ├─ transition ─ transition ─ … from the file … ─ transition ─ … from its rule …─┤
//!   '- the first row: how it was then, for all that was before
//! ```
//! Times before 1970 have no rows: the server converts none of them. Files of one content become
//! one zone with several names. It never fails: a file that is no zone is passed over.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::io::Read;
use std::path::Path;

use jiff::Timestamp;
use jiff::tz::{Dst, TimeZone};

/// The files of time zones, by name.
#[derive(Debug, Default, Hash)]
pub(crate) struct Zones(BTreeMap<String, Vec<u8>>);

impl Zones {
    /// Reads what lies below `folder`; nothing, if there is no such folder.
    pub(crate) fn read(folder: &Path) -> Zones {
        let mut zones = Zones::default();
        zones.collect(folder, "");
        zones
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The SQL that fills the tables of the system database, up to the second `end`; every
    /// statement is one line.
    pub(crate) fn sql(&self, end: i64) -> String {
        let mut names_of: BTreeMap<&[u8], Vec<&str>> = BTreeMap::new();
        for (name, file) in &self.0 {
            names_of.entry(file).or_default().push(name);
        }
        let mut rows = Rows::default();
        for (file, names) in names_of {
            // The name is for jiff's own messages only.
            if let Ok(zone) = TimeZone::tzif(names[0], file) {
                rows.add(&names, &zone, end);
            }
        }
        rows.sql()
    }

    /// `posix` is the same again, `right` counts leap seconds, which the server would need a table
    /// for. A link to a folder is not followed.
    fn collect(&mut self, folder: &Path, prefix: &str) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let Some(name) = entry.file_name().to_str().map(|name| format!("{prefix}{name}"))
            else {
                continue;
            };
            let is_apart = ["posix", "right", "posixrules", "localtime"].contains(&name.as_str());
            if is_apart || !is_name(&name) || self.0.len() >= FILES_MAX {
                continue;
            }
            match entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                true if prefix.matches('/').count() < DEPTH_MAX => {
                    self.collect(&entry.path(), &format!("{name}/"));
                }
                true => {}
                false => self.0.extend(read(&entry.path()).map(|file| (name, file))),
            }
        }
    }
}

/// A file that says it is a zone (RFC 9636 §3.1).
fn read(path: &Path) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path).ok()?.take(FILE_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    bytes.starts_with(b"TZif").then_some(bytes)
}

/// Letters, digits and signs that need no quoting in SQL; the column's width.
fn is_name(name: &str) -> bool {
    name.len() <= 64
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-_/".contains(&byte))
}

/// The rows of the four tables.
#[derive(Default)]
struct Rows {
    zones: u32,
    zone: Lines,
    name: Lines,
    kind: Lines,
    transition: Lines,
}

impl Rows {
    fn add(&mut self, names: &[&str], zone: &TimeZone, end: i64) {
        self.zones += 1;
        let id = self.zones;
        self.zone.row(format_args!("({id},'N')"));
        for name in names {
            self.name.row(format_args!("('{name}',{id})"));
        }
        let mut kinds: Vec<(i32, bool, String)> = Vec::new();
        for (second, kind) in transitions(zone, end) {
            let at = kinds.iter().position(|known| *known == kind).unwrap_or_else(|| {
                let (offset, dst, abbreviation) = &kind;
                let (at, dst) = (kinds.len(), u8::from(*dst));
                self.kind.row(format_args!("({id},{at},{offset},{dst},'{abbreviation}')"));
                kinds.push(kind);
                at
            });
            self.transition.row(format_args!("({id},{second},{at})"));
        }
    }

    fn sql(self) -> String {
        [
            (self.zone, "time_zone (Time_zone_id, Use_leap_seconds)"),
            (self.name, "time_zone_name (Name, Time_zone_id)"),
            (
                self.kind,
                "time_zone_transition_type \
                 (Time_zone_id, Transition_type_id, `Offset`, Is_DST, Abbreviation)",
            ),
            (
                self.transition,
                "time_zone_transition (Time_zone_id, Transition_time, Transition_type_id)",
            ),
        ]
        .into_iter()
        .flat_map(|(lines, table)| {
            lines.0.into_iter().map(move |rows| format!("INSERT INTO {table} VALUES {rows};\n"))
        })
        .collect()
    }
}

/// When a zone's clocks are changed, each with what they show from then on: seconds east of UTC,
/// whether it is summer time, and its short name.
fn transitions(zone: &TimeZone, end: i64) -> impl Iterator<Item = (i64, (i32, bool, String))> {
    let kind = |offset: jiff::tz::Offset, dst, abbreviation: &str| {
        let plain = |c: &char| c.is_ascii_alphanumeric() || "+-".contains(*c);
        let abbreviation = abbreviation.chars().filter(plain).take(8).collect();
        (offset.seconds(), dst == Dst::Yes, abbreviation)
    };
    let epoch = Timestamp::UNIX_EPOCH;
    let first = zone.to_offset_info(epoch);
    let first = (BEGIN, kind(first.offset(), first.dst(), first.abbreviation()));
    let later = zone.following(epoch).map(move |change| {
        let second = change.timestamp().as_second();
        (second, kind(change.offset(), change.dst(), change.abbreviation()))
    });
    std::iter::once(first)
        .chain(later.take_while(move |(second, _)| *second <= end))
        .take(TRANSITIONS_MAX)
}

/// Rows, joined to lines of a length that the server reads in its bootstrap mode (20,000 bytes).
#[derive(Default)]
struct Lines(Vec<String>);

impl Lines {
    fn row(&mut self, row: std::fmt::Arguments<'_>) {
        let line = match self.0.last_mut() {
            Some(line) if line.len() < LINE_BYTES => {
                line.push(',');
                line
            }
            _ => self.0.push_mut(String::new()),
        };
        // Writing to a String does not fail.
        let _ = line.write_fmt(row);
    }
}

/// The first moment there is in 32 bits: before all that the server can speak of.
const BEGIN: i64 = i32::MIN as i64;
/// The server refuses a zone with more (TZ_MAX_TIMES in its tzfile.h).
const TRANSITIONS_MAX: usize = 370;
const LINE_BYTES: usize = 16_000;
const FILE_BYTES_MAX: u64 = 64 * 1024;
const FILES_MAX: usize = 2000;
const DEPTH_MAX: usize = 3;

#[cfg(test)]
mod tests;
