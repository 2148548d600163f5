//! What a Ruby project depends on: the gems in Gemfile.lock, or those that its Gemfile names.
//!
//! Bundler alone understands a Gemfile, which is Ruby; here it is read for the names, so that a MySQL
//! driver among them can be seen, or Rails and its version. Limit: 1 MiB a file.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::Error;
use crate::variables::UrlForm;

/// A project's gems.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gems {
    file: Option<&'static str>,
    /// Names, and versions where they are known.
    all: BTreeMap<String, Option<String>>,
}

impl Gems {
    /// Reads a project's gems; without a Gemfile there are none to be told.
    pub fn read(project: &Path) -> Result<Gems, Error> {
        let Some(gemfile) = read(project, GEMFILE)? else { return Ok(Gems::default()) };
        Ok(match read(project, LOCK)? {
            Some(lock) => Gems { file: Some(LOCK), all: locked(&lock) },
            None => Gems { file: Some(GEMFILE), all: named(&gemfile) },
        })
    }

    /// The file they stand in; None when there is no Gemfile.
    pub fn file(&self) -> Option<&'static str> {
        self.file
    }

    /// Whether a gem is among them.
    pub fn has(&self, name: &str) -> bool {
        self.all.contains_key(name)
    }

    /// A gem's version, as major and minor.
    pub fn version(&self, name: &str) -> Option<(u32, u32)> {
        let mut parts = self.all.get(name)?.as_deref()?.split('.').map(|part| part.parse().ok());
        Some((parts.next()??, parts.next().flatten().unwrap_or_default()))
    }

    /// A MySQL driver among them.
    pub fn mysql_driver(&self) -> Option<&'static str> {
        MYSQL_DRIVERS.into_iter().find(|name| self.has(name))
    }

    /// How its driver wants the database named in a URL: Rails before 7.2 knows no `mysql://`.
    pub fn url_form(&self) -> UrlForm {
        match self.mysql_driver() {
            Some("trilogy") => UrlForm::Trilogy,
            _ => UrlForm::Mysql2,
        }
    }
}

fn read(project: &Path, file: &str) -> Result<Option<String>, Error> {
    let path = project.join(file);
    let mut bytes = Vec::new();
    let read = File::open(&path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes));
    match read {
        Ok(_) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(&path)(error)),
    }
}

/// The gems of a lock file: below `specs:`, four spaces in, `name (version)`. What these depend on
/// stands six spaces in, and for itself elsewhere.
fn locked(text: &str) -> BTreeMap<String, Option<String>> {
    let gem = |line: &str| {
        let line = line.strip_prefix("    ").filter(|line| !line.starts_with(' '))?;
        let (name, version) = line.split_once(" (")?;
        Some((name.to_owned(), Some(version.strip_suffix(')')?.to_owned())))
    };
    text.lines().filter_map(gem).collect()
}

/// The gems that a Gemfile names outright: lines like `gem "rack", "~> 3.0"`.
fn named(text: &str) -> BTreeMap<String, Option<String>> {
    let gem = |line: &str| {
        let rest = line.trim_start().strip_prefix("gem")?;
        let rest = rest.trim_start_matches([' ', '(']);
        let quote = rest.chars().next().filter(|quote| "\"'".contains(*quote))?;
        let (name, _) = rest[1..].split_once(quote)?;
        Some((name.to_owned(), None))
    };
    text.lines().filter_map(gem).collect()
}

pub(crate) fn fuzz(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for all in [locked(&text), named(&text)] {
        let names: Vec<String> = all.keys().cloned().collect();
        let gems = Gems { file: None, all };
        // Only a panic would be a fault here.
        for name in names {
            let _ = gems.version(&name);
        }
    }
}

const GEMFILE: &str = "Gemfile";
const LOCK: &str = "Gemfile.lock";
const MYSQL_DRIVERS: [&str; 2] = ["mysql2", "trilogy"];
const FILE_BYTES_MAX: u64 = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn gems(files: &[(&str, &str)]) -> Gems {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        Gems::read(folder.path()).unwrap()
    }

    const LOCKED: &str = "PATH\n  remote: .\n  specs:\n    shop (0.1)\n\nGEM\n  remote: https://x/\n  \
                          specs:\n    mysql2 (0.5.3)\n    rails (7.1.3.4)\n      actioncable (= 7)\n    \
                          nokogiri (1.16.0-x86_64-linux)\n\nDEPENDENCIES\n  rails (~> 7.1)\n";

    #[test]
    fn lock_file_tells_names_and_versions() {
        let gems = gems(&[("Gemfile", "gem 'trilogy'\n"), ("Gemfile.lock", LOCKED)]);
        assert_eq!((gems.file(), gems.mysql_driver()), (Some("Gemfile.lock"), Some("mysql2")));
        assert_eq!(
            (gems.version("rails"), gems.version("nokogiri")),
            (Some((7, 1)), Some((1, 16)))
        );
        assert!(gems.has("shop") && !gems.has("actioncable") && !gems.has("trilogy"));
    }

    #[test]
    fn gemfile_without_a_lock_tells_what_it_names() {
        let text = "source 'x'\ngem('rack')\n  gem \"trilogy\", '~> 2'\n# gem 'mysql2'\ngemspec\n";
        let gems = gems(&[("Gemfile", text)]);
        assert_eq!((gems.file(), gems.mysql_driver()), (Some("Gemfile"), Some("trilogy")));
        assert!(gems.has("rack") && gems.version("rack").is_none());
    }

    #[test]
    fn without_a_gemfile_nothing_is_known() {
        assert_eq!(gems(&[("Gemfile.lock", LOCKED)]), Gems::default());
    }
}
