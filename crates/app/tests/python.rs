//! The worker's own unit tests, with and without its native helper, and the vectors of
//! docs/worker-protocol.md among them.

use std::path::Path;
use std::process::Command;

#[test]
fn worker_passes_its_unit_tests() {
    let state = tempfile::tempdir().unwrap();
    let carried = davy_app::carried::write_worker(state.path()).unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("workers/python");
    let run = Command::new("python3")
        .args(["-B", "-m", "unittest", "discover", "-s", "tests", "-t", "."])
        .env("DAVY_NATIVE", carried.parent().unwrap())
        .current_dir(folder)
        .output()
        .expect("python3 runs");
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}");
    assert!(!said.contains("Ran 0 tests"), "{said}");
}
