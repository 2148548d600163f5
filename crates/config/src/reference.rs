//! The names of davy.toml: the manual, `davy help config` and the JSON schema, all of them made of the
//! doc comments in [`crate::raw`].

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use serde_json::Value;

use crate::names::{Level, unknown};
use crate::problems::Fault;
use crate::raw;

/// The JSON schema of davy.toml, for editors: names in the order of the manual.
pub fn schema() -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    settings.transforms.push(Box::new(RecursiveTransform(without_null)));
    let mut schema = settings.into_generator().into_root_schema_for::<raw::File>().to_value();
    schema["title"] = "davy.toml".into();
    schema
}

/// TOML has no null: a name that is not written is left out.
fn without_null(schema: &mut Schema) {
    schema.remove("default");
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [one] = types.as_slice() {
            let one = one.clone();
            schema.insert("type".to_owned(), one);
        }
    }
}

/// A name of davy.toml, as the manual and `davy help config` tell of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The table it stands in; None: it stands at the top.
    pub table: Option<String>,
    /// The name itself.
    pub name: String,
    /// What a value may be, in words.
    pub types: String,
    /// What counts when it is not written, in words.
    pub default: String,
    /// What it is for: Markdown, in paragraphs.
    pub meaning: String,
    /// Lines as they could stand in davy.toml.
    pub example: String,
    /// Whether it is the name of a table.
    is_table: bool,
}

/// All names of davy.toml, in the order of the manual: a table is followed by the names in it.
pub fn names() -> Vec<Name> {
    let schema = schema();
    let mut names = Vec::new();
    for (name, kind) in properties(&schema) {
        names.push(Name::new(None, name, kind));
        names.extend(properties(kind).map(|(inner, kind)| Name::new(Some(name), inner, kind)));
    }
    names
}

impl Name {
    fn new(table: Option<&str>, name: &str, kind: &Value) -> Name {
        let text = kind["description"].as_str().unwrap_or_default();
        let (meaning, default) = text.rsplit_once("Default: ").unwrap_or((text, "none."));
        let line = example(name, kind);
        Name {
            table: table.map(str::to_owned),
            name: name.to_owned(),
            types: type_words(kind),
            default: default.trim().trim_end_matches('.').replace('\n', " "),
            meaning: meaning.trim().to_owned(),
            example: table.map_or(line.clone(), |table| format!("[{table}]\n{line}")),
            is_table: is(kind, "object"),
        }
    }

    /// `workers`, or with its table `db.engine`: what tells it from all others.
    pub fn dotted(&self) -> String {
        let table = self.table.as_ref().map(|table| format!("{table}."));
        table.unwrap_or_default() + &self.name
    }

    /// As it stands in the file: `workers`, `[env]`; `engine` in `[db]`.
    pub fn title(&self) -> String {
        match (&self.table, self.is_table) {
            (Some(table), _) => format!("`{}` in `[{table}]`", self.name),
            (None, true) => format!("`[{}]`", self.name),
            (None, false) => format!("`{}`", self.name),
        }
    }

    fn section(&self) -> String {
        let heading = if self.table.is_some() { "###" } else { "##" };
        let Name { types, default, meaning, example, .. } = self;
        let title = self.title();
        format!(
            "\n{heading} {title}\n\n| type | default |\n|---|---|\n| {types} | {default} |\n\n\
             {meaning}\n\n```toml\n{example}\n```\n"
        )
    }
}

/// The manual page of davy.toml, in Markdown.
pub fn reference() -> String {
    let sections: String = names().iter().map(Name::section).collect();
    OPENING.to_owned() + &sections
}

/// The names that somebody means who typed this: `db.engine`, `[db]`, or `engine` alone. A table
/// comes with the names in it.
///
/// # Errors
/// There is none; the text says so, and what was probably meant.
pub fn names_meant(typed: &str) -> Result<Vec<Name>, String> {
    let bare = typed.to_lowercase().replace(['[', ']', '`'], "");
    let all = names();
    let below = format!("{bare}.");
    let exactly = |name: &&Name| name.dotted() == bare || name.dotted().starts_with(&below);
    let by_itself = |name: &&Name| name.name == bare;
    let mut found: Vec<Name> = all.iter().filter(exactly).cloned().collect();
    if found.is_empty() {
        found = all.iter().filter(by_itself).cloned().collect();
    }
    if found.is_empty() { Err(unknown_name(&bare)) } else { Ok(found) }
}

fn unknown_name(typed: &str) -> String {
    let schema = schema();
    let Fault { message, help } = match typed.split_once('.') {
        Some((table, name)) if !schema["properties"][table]["properties"].is_null() => {
            unknown(&schema, Level::Table(table), name)
        }
        _ => unknown(&schema, Level::Top, typed),
    };
    format!("{message}; {help}")
}

/// A name's line in davy.toml, or lines when it is a table: empty without an example.
pub(crate) fn example(name: &str, kind: &Value) -> String {
    match &kind["examples"][0] {
        Value::Null => String::new(),
        Value::Object(entries) => entries
            .iter()
            .fold(format!("[{name}]"), |text, (key, value)| format!("{text}\n{key} = {value}")),
        value => format!("{name} = {}", value.to_string().replace("\",\"", "\", \"")),
    }
}

fn type_words(kind: &Value) -> String {
    if let Some(Value::Array(words)) = kind.get("enum") {
        let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
        return words.join(", ");
    }
    match (is(kind, "string"), is(kind, "array"), is(kind, "integer")) {
        (true, true, _) => "text, or a list of text".to_owned(),
        (true, false, _) => "text".to_owned(),
        (false, true, _) => "list of text".to_owned(),
        (_, _, true) => format!("whole number, {} to {}", kind["minimum"], kind["maximum"]),
        _ if kind.get("properties").is_some() => "table".to_owned(),
        _ => "table of text".to_owned(),
    }
}

fn is(kind: &Value, name: &str) -> bool {
    match &kind["type"] {
        Value::Array(names) => names.iter().any(|one| one == name),
        one => one == name,
    }
}

fn properties(table: &Value) -> impl Iterator<Item = (&String, &Value)> {
    table["properties"].as_object().into_iter().flatten()
}

const OPENING: &str = include_str!("reference.md");
