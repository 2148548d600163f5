//! Text → raw: is it TOML, are the names known, do the values have the right types?
//!
//! Serde stops at the first thing that does not fit. So each name is tried alone first, in a file
//! that holds nothing else; the same with each entry of a table or list. What does not fit is
//! reported and left out, and what remains is the file.
//!
//! ```text
//!  domain = 3             { domain = 3 }              does not fit: reported, left out
//!  [env]                  { env = {} }                fits
//!  A = "1"                { env = { A = "1" } }       fits
//!  B = true               { env = { B = true } }      does not fit: reported, left out
//!                         { env = { A = "1" } }       is read
//! ```

use std::ops::Range;

use serde::Deserialize;
use serde_json::Value;
use toml::Spanned;
use toml::de::{DeArray, DeString, DeTable, DeValue, Deserializer};

use crate::names::{Level, unknown};
use crate::problems::{Fault, Problems};
use crate::raw;
use crate::reference::{example, schema};
use crate::syntax;

/// Reads the text of a davy.toml, as far as it can be read.
pub(crate) fn read(problems: &mut Problems<'_>) -> raw::File {
    let (mut table, errors) = DeTable::parse_recoverable(problems.text);
    let readable = syntax::report(&errors, problems);
    if let Some(readable) = &readable {
        let (again, errors) = DeTable::parse_recoverable(readable);
        table = again;
        syntax::report(&errors, problems);
    }
    let span = 0..problems.text.len();
    let schema = schema();
    let mut fitting = DeTable::new();
    for (name, value) in table.into_inner() {
        let Some(kind) = schema["properties"].get(name.get_ref().as_ref()) else {
            let fault = unknown(&schema, Level::Top, name.get_ref());
            problems.add(name.span(), fault.message, fault.help);
            continue;
        };
        let entry = Entry { name, kind, schema: &schema };
        if let Some(value) = entry.sift(value, problems) {
            fitting.insert(entry.name, value);
        }
    }
    file_of(fitting, span.clone()).unwrap_or_else(|error| {
        // Unreachable as long as a table fits when its entries do; if ever not, it must not pass.
        problems.add(error.span().unwrap_or(span), error.message(), "see docs/config.md");
        raw::File::default()
    })
}

fn file_of(table: DeTable<'_>, span: Range<usize>) -> Result<raw::File, toml::de::Error> {
    raw::File::deserialize(Deserializer::from(Spanned::new(span, table)))
}

/// A name at the top of the file, what the schema says about it, and the whole schema.
struct Entry<'i, 's> {
    name: Spanned<DeString<'i>>,
    kind: &'s Value,
    schema: &'s Value,
}

type SpannedValue<'i> = Spanned<DeValue<'i>>;

impl<'i> Entry<'i, '_> {
    /// Leaves of a value what fits, and reports the rest.
    fn sift(
        &self,
        value: SpannedValue<'i>,
        problems: &mut Problems<'_>,
    ) -> Option<SpannedValue<'i>> {
        let span = value.span();
        match value.into_inner() {
            DeValue::Table(table) if self.fits(&span, DeValue::Table(DeTable::new())) => {
                let table = self.sift_table(&span, table, problems);
                Some(Spanned::new(span, DeValue::Table(table)))
            }
            DeValue::Array(array) if self.fits(&span, DeValue::Array(DeArray::new())) => {
                let array = self.sift_array(&span, array, problems);
                Some(Spanned::new(span, DeValue::Array(array)))
            }
            DeValue::Table(_) => self.refuse(span, "a table", problems),
            DeValue::Array(_) => self.refuse(span, "a list", problems),
            leaf if self.fits(&span, leaf.clone()) => Some(Spanned::new(span, leaf)),
            leaf => self.refuse(span, type_of(&leaf), problems),
        }
    }

    fn refuse<T>(&self, span: Range<usize>, found: &str, problems: &mut Problems<'_>) -> Option<T> {
        let name = self.name.get_ref();
        let written = problems.text.get(span.clone()).unwrap_or_default();
        let fault = wrong_type(name, self.kind, found, written);
        problems.add(span, fault.message, fault.help);
        None
    }

    fn sift_table(
        &self,
        span: &Range<usize>,
        table: DeTable<'i>,
        problems: &mut Problems<'_>,
    ) -> DeTable<'i> {
        let mut fitting = DeTable::new();
        for (name, value) in table {
            if let Some(fault) = self.misplaced(name.get_ref()) {
                problems.add(name.span(), fault.message, fault.help);
                continue;
            }
            let alone = DeTable::from_iter([(name.clone(), value.clone())]);
            if self.fits(span, DeValue::Table(alone)) {
                fitting.insert(name, value);
                continue;
            }
            let written = problems.text.get(value.span()).unwrap_or_default();
            let kind = &self.kind["properties"][name.get_ref().as_ref()];
            let kind = if kind.is_null() { &self.kind["additionalProperties"] } else { kind };
            let fault = wrong_type(name.get_ref(), kind, type_of(value.get_ref()), written);
            problems.add(value.span(), fault.message, fault.help);
        }
        fitting
    }

    /// What is wrong with a name in a table: unknown there, or meant for the top of the file.
    fn misplaced(&self, name: &str) -> Option<Fault> {
        if self.kind.get("additionalProperties").is_some_and(Value::is_object) {
            // Any name will do, so a line of the top that slipped below is told by its name alone.
            let table = self.name.get_ref();
            return self.schema["properties"].get(name).map(|_| {
                Fault::new(
                    format!("`{name}` stands below `[{table}]`, and belongs to it"),
                    "move the line above the first `[…]` line; \
                     a variable of this name goes into `.env`",
                )
            });
        }
        let known = self.kind["properties"].get(name).is_some();
        (!known).then(|| unknown(self.schema, Level::Table(self.name.get_ref()), name))
    }

    fn sift_array(
        &self,
        span: &Range<usize>,
        array: DeArray<'i>,
        problems: &mut Problems<'_>,
    ) -> DeArray<'i> {
        let mut fitting = DeArray::new();
        for value in array {
            let mut alone = DeArray::new();
            alone.push(value.clone());
            if self.fits(span, DeValue::Array(alone)) {
                fitting.push(value);
            } else {
                let found = type_of(value.get_ref());
                let message =
                    format!("`{}` is a list of text, but this is {found}", self.name.get_ref());
                problems.add(value.span(), message, format!("write it like `{}`", self.example()));
            }
        }
        fitting
    }

    fn fits(&self, span: &Range<usize>, value: DeValue<'i>) -> bool {
        let value = Spanned::new(span.clone(), value);
        let alone = DeTable::from_iter([(self.name.clone(), value)]);
        file_of(alone, span.clone()).is_ok()
    }

    fn example(&self) -> String {
        example(self.name.get_ref(), self.kind)
    }
}

fn type_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a decimal number",
        DeValue::Boolean(_) => "a boolean (true or false)",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// A value of the wrong type, `found` instead of what the schema says.
fn wrong_type(name: &str, kind: &Value, found: &str, written: &str) -> Fault {
    let types = kind["type"].to_string();
    let wants = |word: &str| types.contains(word);
    let wanted = if wants("string") && wants("array") {
        "text or a list of text"
    } else if wants("integer") {
        "a whole number"
    } else if wants("array") {
        "a list"
    } else if wants("object") {
        "a table"
    } else {
        "text"
    };
    let scalar = !written.contains(['\n', '"', '\'', '[', '{']) && !written.is_empty();
    let unquoted = written.trim_matches(['"', '\'']);
    let help = if wants("integer") && unquoted.parse::<u32>().is_ok() {
        format!("write it without quotes: `{name} = {unquoted}`")
    } else if wants("string") && scalar {
        format!("write it in quotes: `{name} = \"{written}\"`")
    } else if wants("array") && found == "text" {
        format!("write it in brackets: `{name} = [{written}]`")
    } else {
        match example(name, kind) {
            example if example.is_empty() => format!("write one text in quotes: `{name} = \"…\"`"),
            example => format!("write it like `{}`", example.replace('\n', "`, and below it `")),
        }
    };
    Fault::new(format!("`{name}` must be {wanted}, but this is {found}"), help)
}
