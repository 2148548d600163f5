//! Python as Python itself reads it: its functions, and which files have a docstring.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::rust::Function;
use crate::tree::{File, Language, absolute, in_language};

/// What is known of a Python file.
pub(crate) struct Module {
    pub(crate) file: &'static File,
    pub(crate) functions: Vec<Function>,
    pub(crate) has_docstring: bool,
}

/// Every Python file.
pub(crate) fn modules() -> Vec<Module> {
    let files: Vec<&File> = in_language(Language::Python).collect();
    let mut modules: Vec<Module> = Vec::new();
    for line in read(&files).lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        match fields[..] {
            ["file", index, docstring] => modules.push(Module {
                file: files[index.parse::<usize>().unwrap()],
                functions: Vec::new(),
                has_docstring: docstring == "True",
            }),
            ["def", name, line, lines] => modules.last_mut().unwrap().functions.push(Function {
                name: name.into(),
                line: line.parse().unwrap(),
                lines: lines.parse().unwrap(),
            }),
            _ => panic!("python3 said {line:?}"),
        }
    }
    assert_eq!(modules.len(), files.len());
    modules
}

fn read(files: &[&File]) -> String {
    let mut python = Command::new("python3")
        .args(["-I", "-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the tests need python3");
    let paths: Vec<_> = files.iter().map(|f| absolute(&f.path).display().to_string()).collect();
    python.stdin.take().unwrap().write_all(paths.join("\n").as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "python3 can't read one of {paths:?}");
    String::from_utf8(output.stdout).unwrap()
}

const SCRIPT: &str = r#"
import ast, sys
for index, path in enumerate(sys.stdin.read().splitlines()):
    with open(path, encoding="utf-8") as file:
        module = ast.parse(file.read(), path)
    print("file", index, ast.get_docstring(module) is not None, sep="\t")
    for node in ast.walk(module):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            print("def", node.name, node.lineno, node.end_lineno - node.lineno + 1, sep="\t")
"#;
