//! The Ruby worker's own tests, the vectors of docs/worker-protocol.md among them.

use std::path::Path;
use std::process::Command;

#[test]
fn worker_passes_its_tests() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("workers/ruby");
    let run = Command::new("ruby")
        .args([
            "-w",
            "-e",
            "Dir['tests/test_*.rb'].sort.each { |it| require File.expand_path(it) }",
        ])
        .current_dir(folder)
        .output()
        .expect("ruby runs");
    let said = String::from_utf8_lossy(&run.stdout) + String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}");
    assert!(said.contains(" 0 skips") && !said.contains("\n0 runs"), "{said}");
}
