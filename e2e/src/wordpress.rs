//! WordPress as Debian ships it, put together from its packages without installing them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::clients::tool;
use crate::project::{cache, copy};

/// The folder of its files, kept in the cache.
pub(crate) fn folder() -> PathBuf {
    let folder = cache().join("wordpress");
    if !folder.exists() {
        let temporary = TempDir::with_prefix_in("wordpress-", cache());
        let temporary = temporary.unwrap_or_else(|error| panic!("{error}"));
        let root = temporary.path().join("root");
        unpack(temporary.path(), &root);
        let site = temporary.path().join("site");
        gather(&root, &root.join("usr/share/wordpress"), &site);
        gather(&root, &root.join("var/lib/wordpress/wp-content"), &site.join("wp-content"));
        // Debian's own looks below /etc.
        fs::remove_file(site.join("wp-config.php")).unwrap_or_else(|error| panic!("{error}"));
        // Another test may have been quicker.
        let _ = fs::rename(&site, &folder);
    }
    folder
}

/// Copies WordPress into a project's folder.
pub(crate) fn put_into(project: &Path) {
    copy(&folder(), project);
}

fn unpack(place: &Path, root: &Path) {
    let mut download = Command::new(tool("apt-get"));
    succeeds(download.arg("-qq").arg("download").args(PACKAGES).current_dir(place));
    let entries = fs::read_dir(place).unwrap_or_else(|error| panic!("{error}"));
    for package in entries.flatten().map(|entry| entry.path()) {
        if package.extension().is_some_and(|extension| extension == "deb") {
            succeeds(Command::new(tool("dpkg-deb")).arg("--extract").arg(&package).arg(root));
        }
    }
}

fn succeeds(command: &mut Command) {
    let ran = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(ran.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&ran.stderr));
}

/// Copies a folder; links, which lead to other packages' folders from the top of the system, become
/// what they lead to.
fn gather(root: &Path, from: &Path, to: &Path) {
    let Some(from) = resolved(root, from) else { return };
    if !from.is_dir() {
        fs::copy(&from, to).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
        return;
    }
    fs::create_dir_all(to).unwrap_or_else(|error| panic!("{error}"));
    let entries = fs::read_dir(&from).unwrap_or_else(|error| panic!("{error}"));
    for entry in entries.flatten() {
        gather(root, &entry.path(), &to.join(entry.file_name()));
    }
}

/// What a path leads to below `root`; None if that is in no package that was unpacked.
fn resolved(root: &Path, path: &Path) -> Option<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..LINKS_MAX {
        let Ok(target) = fs::read_link(&path) else { return path.exists().then_some(path) };
        path = match target.strip_prefix("/") {
            Ok(target) => root.join(target),
            Err(_) => path.parent()?.join(target),
        };
    }
    None
}

/// WordPress, a theme, and what they have links into.
const PACKAGES: [&str; 5] = [
    "wordpress",
    "wordpress-theme-twentytwentythree",
    "php-getid3",
    "libjs-underscore",
    "libjs-cropper",
];
const LINKS_MAX: usize = 8;
