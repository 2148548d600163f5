//! Versions of MariaDB, as the program and the data directory tell them.

use std::fmt;

/// A version such as 10.11.19. Data written by one series (10.11) is not given to an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    major: u16,
    minor: u16,
    patch: u16,
}

impl Version {
    /// The series: `10.11`.
    pub fn series(self) -> String {
        format!("{}.{}", self.major, self.minor)
    }

    /// Whether this is of a later series than `other`.
    pub fn is_later_series_than(self, other: Version) -> bool {
        (self.major, self.minor) > (other.major, other.minor)
    }

    /// Whether accounts are kept in mysql.global_priv, which davy relies on (since 10.4).
    pub(crate) fn is_supported(self) -> bool {
        (self.major, self.minor) >= (10, 4)
    }

    /// The last second that a TIMESTAMP can hold: in 2038, and since 11.5 in 2106.
    pub(crate) fn last_timestamp(self) -> i64 {
        match (self.major, self.minor) >= (11, 5) {
            true => i64::from(u32::MAX),
            false => i64::from(i32::MAX),
        }
    }

    /// Reads what `mariadbd --version` prints. None for another program, such as Oracle's MySQL.
    ///
    /// `mariadbd  Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64 (Debian 12)`
    pub(crate) fn of_program(printed: &str) -> Option<Version> {
        let (_, rest) = printed.split_once(" Ver ")?;
        let (version, _) = rest.split_once("-MariaDB")?;
        Version::parse(version.trim())
    }

    /// Reads `10.11.19`.
    pub(crate) fn parse(text: &str) -> Option<Version> {
        let mut numbers = text.split('.').map(|number| number.parse().ok());
        let mut next = || numbers.next().flatten();
        let version = Version { major: next()?, minor: next()?, patch: next()? };
        numbers.next().is_none().then_some(version)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mariadb_is_told_from_mysql() {
        let printed = "mariadbd  Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64";
        assert_eq!(Version::of_program(printed).unwrap().to_string(), "10.11.19");
        assert_eq!(Version::of_program("/usr/sbin/mysqld  Ver 8.4.3 for Linux on x86_64"), None);
        assert_eq!(Version::of_program(""), None);
    }

    #[test]
    fn series_are_compared_by_number() {
        let [old, new, patched] =
            ["10.4.1", "10.11.2", "10.11.19"].map(|text| Version::parse(text).unwrap());
        assert!(new.is_later_series_than(old) && !old.is_later_series_than(new));
        assert!(!patched.is_later_series_than(new));
        assert_eq!(Version::parse("10.11"), None);
        assert_eq!(Version::parse("10.11.2.3"), None);
    }
}
