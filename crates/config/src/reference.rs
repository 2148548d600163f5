//! The manual and the JSON schema of davy.toml, both made of the doc comments in [`crate::raw`].

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use serde_json::Value;

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

/// The manual page of davy.toml, in Markdown.
pub fn reference() -> String {
    let schema = schema();
    let mut page = OPENING.to_owned();
    for (name, kind) in properties(&schema) {
        section(&mut page, "##", name, kind);
        for (inner, kind) in properties(kind) {
            section(&mut page, "###", &format!("[{name}] {inner}"), kind);
        }
    }
    page
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

fn section(page: &mut String, heading: &str, name: &str, kind: &Value) {
    let text = kind["description"].as_str().unwrap_or_default();
    let (meaning, default) = text.rsplit_once("Default: ").unwrap_or((text, "none."));
    let title = match name.split_once(' ') {
        Some((table, name)) => format!("`{name}` in `{table}`"),
        None if is(kind, "object") => format!("`[{name}]`"),
        None => format!("`{name}`"),
    };
    let default = default.trim().trim_end_matches('.').replace('\n', " ");
    let example = match name.split_once(' ') {
        Some((table, name)) => format!("{table}\n{}", example(name, kind)),
        None => example(name, kind),
    };
    let (types, meaning) = (type_words(kind), meaning.trim());
    page.push_str(&format!("\n{heading} {title}\n\n| type | default |\n|---|---|\n"));
    page.push_str(&format!("| {types} | {default} |\n\n{meaning}\n\n```toml\n{example}\n```\n"));
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
