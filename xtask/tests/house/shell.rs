//! Shell scripts, as far as their functions go: `name() {` to a `}` at the beginning of a line.

use crate::rust::Function;

pub(crate) fn functions(text: &str) -> Vec<Function> {
    let lines: Vec<&str> = text.lines().collect();
    let mut functions = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some(name) = name(line) else { continue };
        let rest = lines[at..].iter().position(|line| line.trim_end() == "}");
        // A function in one line closes in it.
        let lines = if line.trim_end().ends_with('}') { 1 } else { rest.map_or(1, |end| end + 1) };
        functions.push(Function { name: name.into(), line: at + 1, lines });
    }
    functions
}

fn name(line: &str) -> Option<&str> {
    let line = line.strip_prefix("function ").unwrap_or(line);
    let (name, rest) = line.split_once("()")?;
    let is_name = |name: &str| name.chars().all(|c| c.is_alphanumeric() || "_-".contains(c));
    (!name.is_empty() && is_name(name) && rest.trim_start().starts_with(['{', '('])).then_some(name)
}

#[test]
fn functions_end_at_their_brace() {
    let text = "one() {\n  echo '()'\n}\n\nfunction two() { echo; }\necho \"$(three)\"\n";
    let found = functions(text);
    let function = |name: &str, line, lines| Function { name: name.into(), line, lines };
    assert_eq!(found, [function("one", 1, 3), function("two", 5, 1)]);
}
