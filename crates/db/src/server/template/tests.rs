//! The copy, without a server. With one: `tests/server.rs`.

use super::*;
use std::os::unix::fs::{FileExt, PermissionsExt};

#[test]
fn a_copy_has_the_same_content_and_the_same_holes() {
    let [from, to] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    fs::create_dir(from.path().join("mysql")).unwrap();
    fs::write(from.path().join("mysql/db.opt"), "text").unwrap();
    fs::write(from.path().join("empty"), "").unwrap();
    let sparse = File::create(from.path().join("sparse")).unwrap();
    sparse.set_len(64 * 1024 * 1024).unwrap();
    for at in [0, 5_000_000, 64 * 1024 * 1024 - 3] {
        sparse.write_all_at(b"abc", at).unwrap();
    }
    copy(from.path(), to.path()).unwrap();
    for name in ["mysql/db.opt", "empty", "sparse"] {
        let read = |folder: &Path| fs::read(folder.join(name)).unwrap();
        assert!(read(from.path()) == read(to.path()), "{name}");
        let mode = to.path().join(name).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let copied = to.path().join("sparse").metadata().unwrap();
    assert!(copied.blocks() * 512 < 1024 * 1024, "{} blocks", copied.blocks());
}

#[test]
fn room_that_is_reserved_on_disk_stays_reserved() {
    let [from, to] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let log = File::create(from.path().join("log")).unwrap();
    let length = 4 * 1024 * 1024;
    rustix::fs::fallocate(&log, rustix::fs::FallocateFlags::empty(), 0, length).unwrap();
    copy(from.path(), to.path()).unwrap();
    let copied = to.path().join("log").metadata().unwrap();
    assert_eq!((copied.len(), copied.blocks() * 512 >= length), (length, true));
}

#[test]
fn nothing_there_is_written_over() {
    let [from, to] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    for (folder, text) in [(&from, "new"), (&to, "old")] {
        fs::write(folder.path().join("file"), text).unwrap();
    }
    assert!(copy(from.path(), to.path()).is_err());
    assert_eq!(fs::read_to_string(to.path().join("file")).unwrap(), "old");
}

#[test]
fn templates_of_other_versions_are_removed_and_nothing_else() {
    let cache = tempfile::tempdir().unwrap();
    for name in ["database-10.6.1-0", "database-10.11.2-1.part", "database-11.4.2-2", "mariadb-3"] {
        fs::create_dir(cache.path().join(name)).unwrap();
    }
    prune(cache.path(), &cache.path().join("database-11.4.2-2"));
    let names = fs::read_dir(cache.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.collect();
    names.sort();
    assert_eq!(names, ["database-11.4.2-2", "mariadb-3"]);
}

#[tokio::test(start_paused = true)]
async fn a_held_lock_is_given_up_at_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lock");
    let held = lock(&path).await.unwrap();
    assert!(lock(&path).await.is_err());
    drop(held);
}
