//! Rust as a flat row of tokens, which is all that the rules need.
//!
//! Tokens see what a syntax tree does not: the bodies of macros such as `proptest!`. Comments are
//! not among them; doc comments are, as attributes with a literal.

use std::collections::HashMap;
use std::sync::LazyLock;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::tree::{File, Language, in_language};

/// A word, a literal, or one sign such as `:` or `{`.
#[derive(Debug)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) line: usize,
    /// How many groups are open around it.
    depth: usize,
    /// It belongs to an item that is compiled for tests only.
    pub(crate) tests_only: bool,
}

/// A function in any language.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) line: usize,
    /// From its first line to the closing brace; attributes and comments above it are not counted.
    pub(crate) lines: usize,
}

/// Every Rust file with its tokens.
pub(crate) fn files() -> impl Iterator<Item = (&'static File, &'static [Token])> {
    static TOKENS: LazyLock<HashMap<&str, Vec<Token>>> = LazyLock::new(|| {
        let read = |file: &'static File| (file.path.as_str(), tokens(file.text().unwrap()));
        in_language(Language::Rust).map(read).collect()
    });
    in_language(Language::Rust).map(|file| (file, TOKENS[file.path.as_str()].as_slice()))
}

/// The places of `pattern`, tokens with a space between each two. Tokens for tests are left out if
/// `file` is not a test itself.
pub(crate) fn places(tokens: &[Token], pattern: &str) -> Vec<usize> {
    let pattern: Vec<&str> = pattern.split(' ').collect();
    let matches = |tokens: &[Token]| tokens.iter().zip(&pattern).all(|(t, word)| t.text == *word);
    let found = (0..tokens.len()).filter(|&at| tokens[at..].len() >= pattern.len());
    found.filter(|&at| matches(&tokens[at..])).collect()
}

/// The functions that have a body.
pub(crate) fn functions(tokens: &[Token]) -> Vec<Function> {
    let mut functions = Vec::new();
    for (at, token) in tokens.iter().enumerate().filter(|(_, token)| token.text == "fn") {
        // `fn(u8)` is the type of a function, and has no name.
        let Some(name) = tokens.get(at + 1).filter(|next| next.text != "(") else { continue };
        if let Some(end) = body_end(tokens, at) {
            let lines = tokens[end].line + 1 - token.line;
            functions.push(Function { name: name.text.clone(), line: token.line, lines });
        }
    }
    functions
}

/// Where the item at `at` closes its braces; None if it ends with a semicolon.
fn body_end(tokens: &[Token], at: usize) -> Option<usize> {
    let depth = tokens[at].depth;
    let item = || (at..tokens.len()).take_while(|&i| tokens[i].depth >= depth);
    let is = |i: usize, text: &str| tokens[i].depth == depth && tokens[i].text == text;
    let begin = item().find(|&i| is(i, "{") || is(i, ";")).filter(|&i| is(i, "{"))?;
    item().skip_while(|&i| i < begin).find(|&i| is(i, "}"))
}

fn tokens(text: &str) -> Vec<Token> {
    let stream: TokenStream = text.parse().unwrap();
    let mut tokens = Vec::new();
    flatten(stream, 0, &mut tokens);
    for at in places(&tokens, "# [ cfg ( test ) ]") {
        let last = body_end(&tokens, at).unwrap_or_else(|| statement_end(&tokens, at));
        tokens[at..=last].iter_mut().for_each(|token| token.tests_only = true);
    }
    tokens
}

fn statement_end(tokens: &[Token], at: usize) -> usize {
    let depth = tokens[at].depth;
    let same = (at..tokens.len()).take_while(|&i| tokens[i].depth >= depth);
    same.take_while(|&i| tokens[i].depth > depth || tokens[i].text != ";").last().unwrap_or(at)
}

fn flatten(stream: TokenStream, depth: usize, into: &mut Vec<Token>) {
    for tree in stream {
        let line = tree.span().start().line;
        let mut push = |text, line| into.push(Token { text, line, depth, tests_only: false });
        let TokenTree::Group(group) = tree else {
            push(tree.to_string(), line);
            continue;
        };
        let (open, close) = match group.delimiter() {
            Delimiter::Parenthesis => ("(", ")"),
            Delimiter::Brace => ("{", "}"),
            Delimiter::Bracket => ("[", "]"),
            Delimiter::None => ("", ""),
        };
        push(open.to_owned(), line);
        flatten(group.stream(), depth + 1, into);
        let line = group.span_close().start().line;
        into.push(Token { text: close.to_owned(), line, depth, tests_only: false });
    }
}

#[test]
fn functions_are_counted_in_macros_too_and_types_are_none() {
    let text = "fn one(f: fn(u8) -> u8);\n\
                proptest! {\n    #[test]\n    fn two(x in 0..9) {\n        || {};\n    }\n}\n\
                impl X { const fn three() -> [u8; { 3 }] { [0; 3] } }";
    let found = functions(&tokens(text));
    let function = |name: &str, line, lines| Function { name: name.into(), line, lines };
    assert_eq!(found, [function("two", 4, 3), function("three", 8, 1)]);
}

#[test]
fn items_for_tests_are_known() {
    let text =
        "#[cfg(test)]\nmod tests { use a; }\nuse b;\n#[cfg(test)]\nmod more;\nuse c;\n// use d\n";
    let tokens = tokens(text);
    let uses: Vec<(&str, bool)> = places(&tokens, "use")
        .into_iter()
        .map(|at| (tokens[at + 1].text.as_str(), tokens[at].tests_only))
        .collect();
    assert_eq!(uses, [("a", true), ("b", false), ("c", false)]);
}
