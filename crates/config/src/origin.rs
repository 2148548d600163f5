//! Where each value of a [`crate::Config`] was written: for people who ask why it is what it is.
//!
//! The Config itself does not carry this: it travels to other processes, which must not care.

use std::collections::BTreeMap;
use std::fmt;

use toml::de::{DeTable, DeValue};

/// Where values were written, by names such as `workers`, `db.engine` and `env.TZ`. What is not
/// here is at its default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins(BTreeMap<String, Origin>);

/// The place of one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The file, as it was named to davy.
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    /// What kind of file that is.
    pub kind: Kind,
}

/// The files that davy reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// davy.toml, which may be shown.
    Toml,
    /// `.env`, whose values nobody may see.
    DotEnv,
}

impl Origins {
    /// Where a value was written. None: it is at its default.
    pub fn of(&self, name: &str) -> Option<&Origin> {
        self.0.get(name)
    }

    /// Adds the names of a davy.toml, over those that are there: `[env]` wins over `.env`. Of a
    /// file that is not TOML there is nothing to add.
    pub(crate) fn add_toml(&mut self, file: &str, text: &str) {
        let Ok(table) = DeTable::parse(text) else { return };
        let mut names = Vec::new();
        for (name, value) in table.into_inner() {
            let top = name.get_ref().to_string();
            if let DeValue::Table(entries) = value.get_ref() {
                let entries = entries.iter();
                names.extend(entries.map(|(name, _)| (format!("{top}.{name}"), name.span().start)));
            }
            names.push((top, name.span().start));
        }
        self.add(file, text, Kind::Toml, names);
    }

    /// Adds the variables of a `.env`, each with its place in bytes.
    pub(crate) fn add_dotenv<'a>(
        &mut self,
        file: &str,
        text: &str,
        variables: impl IntoIterator<Item = (&'a str, usize)>,
    ) {
        let names = variables.into_iter().map(|(name, at)| (format!("env.{name}"), at));
        self.add(file, text, Kind::DotEnv, names);
    }

    fn add(
        &mut self,
        file: &str,
        text: &str,
        kind: Kind,
        names: impl IntoIterator<Item = (String, usize)>,
    ) {
        let ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at).collect();
        for (name, at) in names {
            let line = ends.partition_point(|end| *end < at) + 1;
            self.0.insert(name, Origin { file: file.to_owned(), line, kind });
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}
