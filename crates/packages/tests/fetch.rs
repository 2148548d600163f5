//! The distribution's real apt: a package comes from its real source, checked and unpacked.

use std::ffi::OsStr;
use std::path::Path;

use davy_packages::{Request, fetch};

#[tokio::test]
async fn pip_comes_from_the_distribution() {
    let folder = tempfile::tempdir().unwrap();
    // A space, a quote and a percent sign in the path mean nothing to apt.
    let cache = folder.path().join("a \"cache\" 100%");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let root = root(&cache, &path).await;
    let wheels = std::fs::read_dir(root.join("usr/share/python-wheels")).unwrap();
    let names: Vec<String> =
        wheels.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(names.iter().any(|name| name.starts_with("pip-")), "{names:?}");
}

async fn root(cache: &Path, path: &OsStr) -> std::path::PathBuf {
    let request = Request { name: "pip", packages: &["python3-pip-whl"], cache, path };
    let fetched = fetch(request, |_| {}).await;
    fetched.unwrap_or_else(|error| panic!("this test needs apt and its network: {error}"))
}
