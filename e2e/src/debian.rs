//! The distribution as it comes: what debootstrap installs at least, Python and one user; kept in
//! the cache as an archive, of which each machine unpacks a copy of its own.
//!
//! The release is that of the machine the tests run on, and comes from where its apt gets it: the
//! davy under test was built for that one, and its mirror can be reached.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::clients::tool;
use crate::project::cache;

/// The user of the machines.
pub(crate) const USER: &str = "dev";

/// Unpacks a fresh system into `root`.
pub(crate) fn unpack(root: &Path) {
    fs::create_dir(root).unwrap_or_else(|error| panic!("{}: {error}", root.display()));
    let mut unpack = Command::new(tool("tar"));
    unpack.args(["--extract", "--same-owner", "--numeric-owner"]);
    succeeds(unpack.arg("--file").arg(archive()).arg("--directory").arg(root));
}

/// Runs a command that must succeed, and gives what it wrote to its standard output.
fn succeeds(command: &mut Command) -> String {
    let ran = command.stdin(Stdio::null()).output();
    let ran = ran.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let [out, said] = [ran.stdout, ran.stderr].map(|it| String::from_utf8_lossy(&it).into_owned());
    assert!(ran.status.success(), "{command:?}\n{out}{said}");
    out
}

/// The archive of the system; made if it is not there, which takes a minute.
fn archive() -> PathBuf {
    let release = release();
    let archive = cache().join(format!("debootstrap-{release}-{}.tar", std::env::consts::ARCH));
    if !archive.exists() {
        let folder = TempDir::with_prefix_in("debootstrap-", cache());
        let folder = folder.unwrap_or_else(|error| panic!("{error}"));
        let (root, part) = (folder.path().join("root"), folder.path().join("tar"));
        bootstrap(&release, &root);
        let mut pack = Command::new(tool("tar"));
        pack.args(["--create", "--numeric-owner", "--exclude=./var/cache/apt/archives/*.deb"]);
        succeeds(pack.arg("--file").arg(&part).arg("--directory").arg(&root).arg("."));
        fs::rename(&part, &archive).unwrap_or_else(|error| panic!("{error}"));
    }
    archive
}

fn bootstrap(release: &str, root: &Path) {
    let (mirror, components) = source(release);
    let mut bootstrap = Command::new(tool("debootstrap"));
    bootstrap.args(["--variant=minbase", "--include=python3"]);
    bootstrap.arg(format!("--components={components}"));
    succeeds(bootstrap.arg(release).arg(root).arg(mirror));
    let mut add = Command::new(tool("chroot"));
    succeeds(add.arg(root).args(["useradd", "--create-home", "--shell=/bin/sh", USER]));
}

/// The release's name: os-release(5).
fn release() -> String {
    let text = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    name.unwrap_or_else(|| panic!("only Debian and its like have such machines: {text}")).to_owned()
}

/// Where apt gets the release from, and the components that it gets, with commas.
fn source(release: &str) -> (String, String) {
    let mut targets = Command::new(tool("apt-get"));
    targets.args(["indextargets", "--format", "$(REPO_URI) $(COMPONENT)"]);
    targets.args(["Created-By: Packages", &format!("Release: {release}")]);
    let targets = succeeds(&mut targets);
    let mut sources = targets.lines().filter_map(|line| line.split_once(' '));
    let (mirror, first) =
        sources.next().unwrap_or_else(|| panic!("apt has no source of {release}: {targets}"));
    let more = sources.filter(|(uri, _)| *uri == mirror).map(|(_, component)| component);
    let components: Vec<&str> = [first].into_iter().chain(more).collect();
    (mirror.to_owned(), components.join(","))
}
