//! A command as it is typed, and what is started for it.
//!
//! ```text
//!   node server.js --name 'a b'     split as a shell would, and started without one
//!   ./serve --port $PORT | log      needs a shell: sh -c
//!   gunicorn --bind unix:{socket}   listens on a UNIX socket of davy's choice; else on $PORT
//! ```
//! Without a shell the process is davy's own child: it gets the signals that are meant for it. Pure.

use std::ffi::OsString;
use std::path::Path;

/// How a server is told where to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listens {
    /// On the port of 127.0.0.1 that the variable PORT names.
    Port,
    /// On the UNIX socket whose path stands in the command for `{socket}`, and in the variable SOCKET.
    Socket,
}

/// A command, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    line: String,
    /// None: it needs a shell.
    words: Option<Vec<String>>,
}

impl Command {
    /// Reads a command's line.
    pub fn new(line: &str) -> Command {
        Command { line: line.to_owned(), words: split(line).filter(|words| !words.is_empty()) }
    }

    /// Where the server listens.
    pub fn listens(&self) -> Listens {
        if self.line.contains(SOCKET) { Listens::Socket } else { Listens::Port }
    }

    /// What is started, when the server is to listen on `socket` (or on PORT).
    pub fn argv(&self, socket: Option<&Path>) -> Vec<OsString> {
        let Some(words) = &self.words else {
            // The shell puts the path in, so that no character of it means anything to the shell.
            let line = self.line.replace(SOCKET, "${SOCKET}");
            return ["/bin/sh", "-c", &line].map(OsString::from).into();
        };
        let with_socket = |word: &String| match socket.and_then(Path::to_str) {
            Some(socket) => word.replace(SOCKET, socket).into(),
            None => word.into(),
        };
        words.iter().map(with_socket).collect()
    }
}

/// The words of a line, by a shell's rules for quotes (POSIX XCU 2.2). None: there is more in it that
/// a shell would act on, or a quote without end.
fn split(line: &str) -> Option<Vec<String>> {
    let (mut words, mut word) = (Vec::new(), None::<String>);
    // What davy itself puts in is no brace expansion.
    let line = line.replace(SOCKET, "\u{1}");
    let mut chars = line.chars();
    while let Some(char) = chars.next() {
        match char {
            ' ' | '\t' => words.extend(word.take()),
            '\'' => word.get_or_insert_default().push_str(&single_quoted(&mut chars)?),
            '"' => word.get_or_insert_default().push_str(&double_quoted(&mut chars)?),
            '\\' => word.get_or_insert_default().push(chars.next()?),
            '#' | '~' if word.is_none() => return None,
            '=' if words.is_empty() => return None,
            _ if ACTED_ON.contains(char) => return None,
            char => word.get_or_insert_default().push(char),
        }
    }
    words.extend(word);
    Some(words.into_iter().map(|word| word.replace('\u{1}', SOCKET)).collect())
}

fn single_quoted(chars: &mut std::str::Chars<'_>) -> Option<String> {
    let (quoted, rest) = chars.as_str().split_once('\'')?;
    *chars = rest.chars();
    Some(quoted.to_owned())
}

fn double_quoted(chars: &mut std::str::Chars<'_>) -> Option<String> {
    let mut quoted = String::new();
    loop {
        match chars.next()? {
            '"' => return Some(quoted),
            '$' | '`' => return None,
            '\\' => match chars.next()? {
                char @ ('"' | '\\' | '$' | '`') => quoted.push(char),
                char => quoted.extend(['\\', char]),
            },
            char => quoted.push(char),
        }
    }
}

pub(crate) fn fuzz(bytes: &[u8]) {
    let line = String::from_utf8_lossy(bytes);
    let command = Command::new(&line);
    assert!(!command.argv(Some(Path::new("/run/s"))).is_empty());
}

const SOCKET: &str = "{socket}";

/// What a shell does not leave as it is, outside of quotes.
const ACTED_ON: &str = "|&;<>()$`*?[]{}!\n\r";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn argv(line: &str) -> Vec<OsString> {
        Command::new(line).argv(Some(Path::new("/run/a b.sock")))
    }

    #[test]
    fn words_are_split_as_a_shell_does() {
        assert_eq!(argv("node  server.js"), ["node", "server.js"]);
        assert_eq!(
            argv(r#"a 'b c' "d \"e\" \x" f\ g '' h="i""#)[1..],
            ["b c", r#"d "e" \x"#, "f g", "", "h=i"]
        );
        assert_eq!(argv("a#b x=y --c=~d")[1..], ["x=y", "--c=~d"]);
    }

    #[test]
    fn what_needs_a_shell_gets_one() {
        for line in [
            "a | b",
            "a && b",
            "a; b",
            "a > b",
            "(a)",
            "a $PORT",
            "a \"$PORT\"",
            "a `b`",
            "a *.js",
            "a {b,c}",
            "X=1 a",
            "a # b",
            "~/a",
            "a 'b",
            "a \"b",
            "a \\",
            "",
        ] {
            assert_eq!(argv(line), ["/bin/sh", "-c", line], "{line}");
        }
    }

    #[test]
    fn a_socket_is_put_in_where_the_command_names_it() {
        assert_eq!(argv("g --bind unix:{socket} a:b")[2], "unix:/run/a b.sock");
        assert_eq!(argv("g \"{socket}\" | b")[2], "g \"${SOCKET}\" | b");
        assert_eq!(Command::new("g {socket}").listens(), Listens::Socket);
        assert_eq!(Command::new("g {sockets}").listens(), Listens::Port);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn quoted_words_come_out_as_they_went_in(
            words in proptest::collection::vec("[ -~é]{0,12}", 1..6),
        ) {
            let quote = |word: &String| format!("'{}'", word.replace('\'', "'\\''"));
            let line: Vec<String> = words.iter().map(quote).collect();
            prop_assert_eq!(split(&line.join(" ")), Some(words));
        }

        #[test]
        fn no_line_panics(line in "[ -~é\n]{0,60}") {
            fuzz(line.as_bytes());
        }
    }
}
