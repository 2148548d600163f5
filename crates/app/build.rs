//! Builds the Python worker's native helper (crates/pyworker), which `carried` has in the binary.
//!
//! It is a library for another program, the user's Python, so a cargo of its own builds it: always
//! optimised, with its own target folder below OUT_DIR, from the versions in Cargo.lock. No Python
//! is needed. Where a shared library can't be made (a static musl), an empty file stands for it,
//! and the worker is pure Python.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

fn main() {
    let pyworker = Path::new(&variable("CARGO_MANIFEST_DIR")).join("../pyworker");
    for path in ["src", "Cargo.toml", "../../Cargo.toml", "../../Cargo.lock"] {
        println!("cargo::rerun-if-changed={}", pyworker.join(path).display());
    }
    println!("cargo::rerun-if-changed=build.rs");
    let out = PathBuf::from(variable("OUT_DIR"));
    let carried = out.join("_native.abi3.so");
    if variable("CARGO_CFG_TARGET_ENV") == "musl" {
        fs::write(&carried, "").expect("OUT_DIR can be written to");
        return;
    }
    let built = build(&pyworker, &out.join("pyworker"));
    fs::copy(&built, &carried).unwrap_or_else(|error| panic!("{}: {error}", built.display()));
}

/// Runs cargo, and gives the path of the library.
fn build(pyworker: &Path, folder: &Path) -> PathBuf {
    let target = variable("TARGET");
    let mut cargo = Command::new(variable("CARGO"));
    cargo
        .args(["rustc", "--locked", "--quiet", "--profile", PROFILE, "--features", "module"])
        .args(["--lib", "--crate-type", "cdylib", "--target", &target])
        .arg("--manifest-path")
        .arg(pyworker.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(folder)
        .env("PYO3_NO_PYTHON", "1")
        .env("PYO3_BUILD_EXTENSION_MODULE", "1");
    // What is meant for davy itself: its flags, and the clippy that may be looking at it.
    for name in ["CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS", "RUSTC_WORKSPACE_WRAPPER"] {
        cargo.env_remove(name);
    }
    let run = cargo.output().unwrap_or_else(|error| panic!("cargo can't be started: {error}"));
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "the native helper can't be built: {cargo:?}\n{said}");
    folder.join(target).join(PROFILE).join("libdavy_pyworker.so")
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|error| panic!("cargo sets {name}: {error}"))
}

/// In the workspace's Cargo.toml.
const PROFILE: &str = "pyworker";
