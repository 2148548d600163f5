//! Ruby, as far as its methods go: `def name` to the `end` that stands as far in.

use crate::rust::Function;

pub(crate) fn functions(text: &str) -> Vec<Function> {
    let lines: Vec<&str> = text.lines().collect();
    let mut functions = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some(name) = name(line) else { continue };
        let closing = format!("{}end", &line[..line.len() - line.trim_start().len()]);
        let end = lines[at..].iter().position(|line| line.trim_end() == closing);
        // `def name = value` has no end.
        let lines = if is_endless(line) { 1 } else { end.map_or(1, |end| end + 1) };
        functions.push(Function { name: name.into(), line: at + 1, lines });
    }
    functions
}

fn name(line: &str) -> Option<&str> {
    let rest = line.trim_start().strip_prefix("def ")?;
    let name = rest.split(['(', ' ', '\n']).next()?;
    Some(name.strip_prefix("self.").unwrap_or(name))
}

fn is_endless(line: &str) -> bool {
    let after = line.split_once(')').map_or(line, |(_, after)| after);
    after.contains(" = ") || line.trim_end().ends_with("; end")
}

#[test]
fn methods_end_as_far_in_as_they_begin() {
    let text = "class A\n  def one(a = 1)\n    if a\n    end\n  end\n\n  def self.two = 2\nend\n";
    let found = functions(text);
    let function = |name: &str, line, lines| Function { name: name.into(), line, lines };
    assert_eq!(found, [function("one", 2, 4), function("two", 7, 1)]);
}
