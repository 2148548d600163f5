//! Runs the golden scripts in `tests/scripts`: bytes in, `---`, bytes out, over an in-memory
//! connection in virtual time. No script waits for anything real.
//!
//! ```text
//! === name of the behaviour
//! # RFC sentence (comments)
//! @ setup: no-app | two-sites | full-queue | closed-queue | setting=number
//! GET / HTTP/1.1          each line ends in CRLF, but for one that ends in `\`
//! <wait 5s> <close>       on a line of their own: time passes, the client half-closes
//! ---
//! what came back          `<end after 60s>`: the end, and how long it came after the last byte
//! ```
//! Escapes: `\r \n \t \0 \\ \xHH`; `{a*9000}` repeats. Masked: Date, error ids, ETags (`{tag}`,
//! also in requests), error pages (`{page}`). `UPDATE_SCRIPTS=1` writes what came back into the
//! files: read the difference before you believe it.

#![allow(clippy::unwrap_used, reason = "a stage that can not be set up fails its test")]

mod stage;

use std::path::PathBuf;

use stage::Stage;

#[test]
fn every_script_gets_the_bytes_it_says() {
    let stage = Stage::new();
    let update = std::env::var_os("UPDATE_SCRIPTS").is_some();
    let mut cases = 0;
    let mut wrong = Vec::new();
    for path in scripts() {
        let file = std::fs::read_to_string(&path).unwrap();
        let mut new = String::new();
        for case in file.split("=== ").filter(|case| !case.is_empty()) {
            let (asked, expected) = case.split_once("---\n").expect("a case has a --- line");
            let came = stage.run(asked);
            cases += 1;
            if came.trim_end() != expected.trim_end() {
                let name = asked.lines().next().unwrap_or_default();
                wrong.push(format!("{}: {name}\n{came}", path.display()));
            }
            new.push_str(&format!("=== {asked}---\n{}\n\n", came.trim_end()));
        }
        if update {
            std::fs::write(&path, new.trim_end().to_owned() + "\n").unwrap();
        }
    }
    assert!(cases >= 50, "the scripts were not found: {cases}");
    assert!(update || wrong.is_empty(), "{} cases differ:\n{}", wrong.len(), wrong.join("\n"));
}

fn scripts() -> Vec<PathBuf> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scripts");
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}
