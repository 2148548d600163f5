//! The worker's own unit tests, the vectors of docs/worker-protocol.md among them.

use std::path::Path;
use std::process::Command;

#[test]
fn worker_passes_its_unit_tests() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("workers/python");
    let run = Command::new("python3")
        .args(["-B", "-m", "unittest", "discover", "-s", "tests", "-t", "."])
        .current_dir(folder)
        .output()
        .expect("python3 runs");
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}");
    assert!(!said.contains("Ran 0 tests"), "{said}");
}
