//! Files, links and other things in a folder.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Arc;

use tempfile::TempDir;

use super::*;

fn mount(prefix: &str, folder: &std::path::Path) -> Mount {
    Mount {
        prefix: prefix.into(),
        folder: Arc::new(fs::File::open(folder).unwrap().into()),
        scripts: None,
    }
}

/// `inside/` is the site's folder, `outside/` is not.
fn stage() -> (TempDir, Vec<Mount>) {
    let top = tempfile::tempdir().unwrap();
    for (name, content) in [
        ("inside/a.txt", "a"),
        ("inside/sub/b.txt", "b"),
        ("inside/with/index.html", "i"),
        ("outside/secret.txt", "s"),
        ("assets/a.txt", "asset"),
    ] {
        let path = top.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    let mounts =
        vec![mount("/static/", &top.path().join("assets")), mount("/", &top.path().join("inside"))];
    (top, mounts)
}

fn size(mounts: &[Mount], path: &str) -> Option<u64> {
    match find(mounts, path, Wanted::Read).unwrap() {
        Found::File(file) => Some(file.size),
        Found::Folder | Found::Script(_) | Found::Nothing => None,
    }
}

#[test]
fn the_longest_prefix_is_looked_at_first_and_the_others_after_it() {
    let (top, mounts) = stage();
    fs::create_dir(top.path().join("inside/static")).unwrap();
    fs::write(top.path().join("inside/static/only-here.txt"), "12").unwrap();
    assert_eq!(size(&mounts, "/static/a.txt"), Some(5));
    assert_eq!(size(&mounts, "/static/only-here.txt"), Some(2));
    assert_eq!(size(&mounts, "/a.txt"), Some(1));
    assert_eq!(size(&mounts, "/a.txt/"), None);
    assert_eq!(size(&mounts, "/sub"), None);
}

#[test]
fn no_path_leaves_the_folder() {
    let (_top, mounts) = stage();
    for path in [
        "/../outside/secret.txt",
        "/%2e%2e/outside/secret.txt",
        "/..%2foutside/secret.txt",
        "/%252e%252e/outside/secret.txt",
        "/sub/../../outside/secret.txt",
        "/static/../../outside/secret.txt",
        "//etc/passwd",
        "/etc/passwd",
        "/proc/self/environ",
    ] {
        assert_eq!(size(&mounts, path), None, "{path}");
    }
}

#[test]
fn links_are_followed_within_the_folder_and_never_out_of_it() {
    let (top, mounts) = stage();
    let inside = top.path().join("inside");
    symlink("sub/b.txt", inside.join("near")).unwrap();
    symlink("../a.txt", inside.join("sub/up")).unwrap();
    symlink("../outside/secret.txt", inside.join("far")).unwrap();
    symlink("../outside", inside.join("folder")).unwrap();
    symlink(top.path().join("outside/secret.txt"), inside.join("absolute")).unwrap();
    symlink("/proc/self/root", inside.join("magic")).unwrap();
    symlink("loop", inside.join("loop")).unwrap();
    assert_eq!(size(&mounts, "/near"), Some(1));
    assert_eq!(size(&mounts, "/sub/up"), Some(1));
    for path in ["/far", "/folder/secret.txt", "/absolute", "/magic/etc/passwd", "/loop"] {
        assert_eq!(size(&mounts, path), None, "{path}");
    }
}

#[test]
fn only_regular_files_are_served_and_a_fifo_hangs_nothing() {
    let (top, mounts) = stage();
    let inside = rustix::fs::open(
        top.path().join("inside"),
        rustix::fs::OFlags::RDONLY,
        rustix::fs::Mode::empty(),
    );
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(inside.unwrap(), "fifo", rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(top.path().join("inside/socket")).unwrap();
    assert_eq!(size(&mounts, "/fifo"), None);
    assert_eq!(size(&mounts, "/socket"), None);
}

#[test]
fn a_folder_is_found_only_where_it_has_an_index() {
    let (_top, mounts) = stage();
    assert!(matches!(find(&mounts, "/with", Wanted::Read).unwrap(), Found::Folder));
    assert_eq!(size(&mounts, "/with/"), Some(1));
    assert!(matches!(find(&mounts, "/sub", Wanted::Read).unwrap(), Found::Nothing));
    assert!(matches!(find(&mounts, "/sub/", Wanted::Read).unwrap(), Found::Nothing));
    assert!(matches!(find(&[], "/with/", Wanted::Read).unwrap(), Found::Nothing));
}

#[test]
fn a_name_that_no_file_system_takes_is_no_file() {
    let (_top, mounts) = stage();
    assert_eq!(size(&mounts, &format!("/{}", "a".repeat(300))), None);
    assert_eq!(size(&mounts, &"/a".repeat(4_000)), None);
}

#[test]
fn a_file_that_is_written_or_replaced_gets_another_tag() {
    let (top, mounts) = stage();
    let path = top.path().join("inside/a.txt");
    let tag = || match find(&mounts, "/a.txt", Wanted::Read).unwrap() {
        Found::File(file) => file.tag,
        Found::Folder | Found::Script(_) | Found::Nothing => panic!("the file is there"),
    };
    let first = tag();
    assert_eq!(first, tag(), "an unchanged file keeps its tag");
    let modified = fs::metadata(&path).unwrap().modified().unwrap();
    fs::write(top.path().join("inside/new"), "b").unwrap();
    fs::File::options()
        .write(true)
        .open(top.path().join("inside/new"))
        .unwrap()
        .set_modified(modified)
        .unwrap();
    fs::rename(top.path().join("inside/new"), &path).unwrap();
    assert_ne!(first, tag(), "same time, same size, another file");
}
