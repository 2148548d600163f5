//! Just enough of Python's grammar to see what a module names at its top level: imports,
//! assignments and definitions outside of strings. It reads lines, never runs or resolves anything,
//! and takes time linear in the text.

/// The source of a module: its lines that do not begin inside a triple-quoted string.
pub(super) struct Source<'a> {
    lines: Vec<&'a str>,
}

impl<'a> Source<'a> {
    pub(super) fn new(text: &'a str) -> Source<'a> {
        let mut inside = None;
        let lines = text.lines().filter(|line| {
            let begins_outside = inside.is_none();
            inside = after(line, inside);
            begins_outside
        });
        Source { lines: lines.collect() }
    }

    /// Whether the package, or a module of it, is imported anywhere.
    pub(super) fn imports(&self, package: &str) -> bool {
        let is_it = |module: &str| module.trim().split(['.', ' ']).next() == Some(package);
        self.lines.iter().any(|line| {
            let line = line.trim_start();
            match (line.strip_prefix("from "), line.strip_prefix("import ")) {
                (Some(module), _) => is_it(module),
                (None, Some(modules)) => modules.split(',').any(is_it),
                (None, None) => false,
            }
        })
    }

    /// Names that a call of `callee` is assigned to: `app = Flask(…)`, `app: F = flask.Flask(…)`.
    pub(super) fn called(&self, callee: &str) -> Vec<&'a str> {
        let calls = |value: &str| {
            value
                .split_once('(')
                .is_some_and(|(path, _)| path.trim().rsplit('.').next() == Some(callee))
        };
        self.assignments().filter(|(_, value)| calls(value)).map(|(name, _)| name).collect()
    }

    /// Names that anything is assigned to.
    pub(super) fn bound(&self) -> Vec<&'a str> {
        self.assignments().map(|(name, _)| name).collect()
    }

    /// Names of functions and classes.
    pub(super) fn defined(&self) -> Vec<&'a str> {
        let name = |line: &&'a str| {
            let line = line.strip_prefix("async ").unwrap_or(line);
            let rest = line.strip_prefix("def ").or_else(|| line.strip_prefix("class "))?;
            Some(identifier(rest.trim_start()).0)
        };
        self.lines.iter().filter_map(name).collect()
    }

    /// Whether `name` is defined as a coroutine function.
    pub(super) fn is_coroutine(&self, name: &str) -> bool {
        let is_it = |line: &&str| {
            line.strip_prefix("async def ")
                .is_some_and(|rest| identifier(rest.trim_start()).0 == name)
        };
        self.lines.iter().any(is_it)
    }

    /// All names a module has: assigned, defined, or imported from another.
    pub(super) fn names(&self) -> Vec<&'a str> {
        let imported = self.lines.iter().filter_map(|line| {
            line.strip_prefix("from ")?.split_once(" import ").map(|(_, names)| names)
        });
        let imported = imported.flat_map(|names| names.split(',')).map(|name| {
            let name = name.split_once(" as ").map_or(name, |(_, name)| name);
            identifier(name.trim_start_matches(['(', ' '])).0
        });
        self.bound().into_iter().chain(self.defined()).chain(imported).collect()
    }

    /// The string that follows the mention of `name`, as in `setdefault("NAME", "string")`.
    pub(super) fn string_after(&self, name: &str) -> Option<&'a str> {
        let mut lines = self.lines.iter().skip_while(|line| !line.contains(name));
        let first = lines.next()?.split_once(name)?.1;
        // The first quote may end the name itself.
        let first = first.strip_prefix(['"', '\'']).unwrap_or(first);
        std::iter::once(first).chain(lines.copied().take(2)).find_map(quoted)
    }

    fn assignments(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.lines.iter().filter_map(|line| assignment(line))
    }
}

/// `name = value` and `name: type = value`, at the very start of a line.
fn assignment(line: &str) -> Option<(&str, &str)> {
    let (name, rest) = identifier(line);
    let rest = rest.trim_start();
    let value = match rest.strip_prefix(':') {
        Some(annotated) => annotated.split_once('=')?.1,
        None => rest.strip_prefix('=')?,
    };
    (!name.is_empty() && !value.starts_with('=')).then_some((name, value.trim()))
}

/// The identifier a text begins with, and the rest.
fn identifier(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len()))
}

fn quoted(text: &str) -> Option<&str> {
    let start = text.find(['"', '\''])?;
    let quote = char::from(text.as_bytes()[start]);
    let rest = &text[start + 1..];
    rest.split_once(quote).map(|(string, _)| string)
}

/// Which triple-quoted string (by its quote) a line ends in, given the one it began in.
fn after(line: &str, mut inside: Option<u8>) -> Option<u8> {
    let bytes = line.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let triple = bytes[at..].starts_with(&[byte; 3]);
        match inside {
            _ if byte == b'\\' => at += 1,
            Some(quote) if byte == quote && triple => {
                inside = None;
                at += 2;
            }
            Some(_) => {}
            None if byte == b'#' => break,
            None if matches!(byte, b'"' | b'\'') => {
                if triple {
                    inside = Some(byte);
                    at += 2;
                } else {
                    at = end_of_string(bytes, at);
                }
            }
            None => {}
        }
        at += 1;
    }
    inside
}

/// Where the string that begins at `start` ends: at its closing quote, or with the line.
fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() && bytes[at] != bytes[start] {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at
}
