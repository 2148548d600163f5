//! Failure paths with an apt-get that is a small script; the real one is asked in `tests/fetch.rs`.

use std::sync::{Arc, Mutex};

use tempfile::TempDir;

use super::*;

/// A PATH with scripts for programs, and a cache beside it. Each script first notes how it was
/// called.
struct Machine(TempDir);

impl Machine {
    fn with(scripts: &[(&str, &str)]) -> Machine {
        let machine = Machine(tempfile::tempdir().unwrap());
        fs::create_dir(machine.bin()).unwrap();
        for (name, script) in scripts {
            let file = machine.bin().join(name);
            let calls = machine.calls_file();
            let text = format!("#!/bin/sh\necho \"$@\" >> '{}'\n{script}\n", calls.display());
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        }
        machine
    }

    fn bin(&self) -> PathBuf {
        self.0.path().join("bin")
    }

    fn cache(&self) -> PathBuf {
        self.0.path().join("cache")
    }

    fn calls_file(&self) -> PathBuf {
        self.0.path().join("calls")
    }

    fn calls(&self, word: &str) -> usize {
        let calls = fs::read_to_string(self.calls_file()).unwrap_or_default();
        calls.lines().filter(|line| line.split(' ').any(|found| found == word)).count()
    }

    async fn fetch(&self) -> Result<PathBuf, Error> {
        self.fetch_telling(|_| {}).await
    }

    async fn fetch_telling(&self, progress: impl FnMut(&str)) -> Result<PathBuf, Error> {
        let (cache, bin) = (self.cache(), self.bin());
        let packages = ["lamp"];
        let request =
            Request { name: "lamp", packages: &packages, cache: &cache, path: bin.as_os_str() };
        fetch(request, progress).await
    }
}

/// Finds the folder for archives among its arguments and puts a package there.
const APT_GET: &str = r#"
for word; do case "$word" in Dir::Cache::archives=*) archives="${word#*=}";; esac; done
case " $* " in *" install "*)
    echo 'Need to get 7377 kB of archives.'
    echo 'Get:1 http://mirror.example/debian bookworm/main amd64 lamp amd64 1.0 [7377 kB]'
    echo lamp > "$archives/lamp.deb";;
esac"#;
const DPKG_DEB: &str = "mkdir -p \"$3/usr/bin\" && cp \"$2\" \"$3/usr/bin/lamp\"";

#[tokio::test]
async fn packages_are_fetched_once_and_reused() {
    let machine = Machine::with(&[("apt-get", APT_GET), ("dpkg-deb", DPKG_DEB)]);
    let said = Arc::new(Mutex::new(Vec::new()));
    let heard = said.clone();
    let tell = move |line: &str| heard.lock().unwrap().push(line.to_owned());
    let root = machine.fetch_telling(tell).await.unwrap();
    assert_eq!(fs::read_to_string(root.join("usr/bin/lamp")).unwrap(), "lamp\n");
    assert_eq!(
        *said.lock().unwrap(),
        [
            "reading the distribution's package lists",
            "fetching 7377 kB of archives",
            "fetching lamp",
            "unpacking"
        ]
    );
    assert_eq!(machine.fetch().await.unwrap(), root);
    assert_eq!(machine.calls("install"), 1);
    assert!(!root.with_extension("part").exists());
}

#[tokio::test]
async fn two_at_once_fetch_once() {
    let machine = Machine::with(&[("apt-get", APT_GET), ("dpkg-deb", DPKG_DEB)]);
    let (first, second) = tokio::join!(machine.fetch(), machine.fetch());
    assert_eq!(first.unwrap(), second.unwrap());
    assert_eq!(machine.calls("install"), 1);
}

#[tokio::test]
async fn what_an_interrupted_fetch_left_is_not_used() {
    let machine = Machine::with(&[("apt-get", APT_GET), ("dpkg-deb", DPKG_DEB)]);
    let root = machine.fetch().await.unwrap();
    let part = root.with_extension("part");
    fs::remove_dir_all(&root).unwrap();
    fs::create_dir_all(part.join("root/usr/bin")).unwrap();
    fs::write(part.join("root/usr/bin/half"), "").unwrap();
    assert_eq!(machine.fetch().await.unwrap(), root);
    assert!(!root.join("usr/bin/half").exists());
}

#[tokio::test]
async fn a_system_without_apt_is_named() {
    let machine = Machine::with(&[("dpkg-deb", DPKG_DEB)]);
    let error = machine.fetch().await.unwrap_err();
    assert!(matches!(error, Error::NoApt("apt-get")), "{error}");
    assert!(!machine.cache().exists(), "nothing is left behind");
}

#[tokio::test]
async fn an_unknown_package_is_told_with_what_the_update_said() {
    let apt = r#"case " $* " in
        *" update "*) echo 'W: Failed to fetch http://mirror.example/  Network is down' >&2;;
        *) echo 'E: Unable to locate package lamp' >&2; exit 100;; esac"#;
    let machine = Machine::with(&[("apt-get", apt), ("dpkg-deb", DPKG_DEB)]);
    let error = machine.fetch().await.unwrap_err().to_string();
    assert!(error.contains("exit code 100"), "{error}");
    assert!(error.contains("Network is down\nE: Unable to locate package lamp"), "{error}");
    machine.fetch().await.unwrap_err();
    assert_eq!(machine.calls("update"), 2, "lists that did not serve are read again");
}

#[tokio::test]
async fn a_failing_update_does_not_matter_when_the_packages_are_found() {
    let apt = format!("{APT_GET}\ncase \" $* \" in *\" update \"*) exit 100;; esac");
    let machine = Machine::with(&[("apt-get", &apt), ("dpkg-deb", DPKG_DEB)]);
    machine.fetch().await.unwrap();
}

#[tokio::test]
async fn fresh_lists_are_read_again_only_when_the_download_fails_with_them() {
    let machine = Machine::with(&[("apt-get", APT_GET), ("dpkg-deb", DPKG_DEB)]);
    let root = machine.fetch().await.unwrap();
    fs::remove_dir_all(&root).unwrap();
    machine.fetch().await.unwrap();
    assert_eq!(machine.calls("update"), 1);
    fs::remove_dir_all(&root).unwrap();
    let broken =
        format!("#!/bin/sh\necho \"$@\" >> '{}'\nexit 100", machine.calls_file().display());
    fs::write(machine.bin().join("apt-get"), broken).unwrap();
    machine.fetch().await.unwrap_err();
    assert_eq!(machine.calls("update"), 2);
    assert_eq!(machine.calls("install"), 4, "once with the old lists, once with the new");
}

#[tokio::test]
async fn nothing_fetched_is_an_error_and_so_is_a_broken_archive() {
    let silent = Machine::with(&[("apt-get", "exit 0"), ("dpkg-deb", DPKG_DEB)]);
    let error = silent.fetch().await.unwrap_err().to_string();
    assert!(error.contains("nothing was fetched"), "{error}");
    let broken = "echo 'dpkg-deb: error: not a Debian archive' >&2; exit 2";
    let machine = Machine::with(&[("apt-get", APT_GET), ("dpkg-deb", broken)]);
    let error = machine.fetch().await.unwrap_err().to_string();
    assert!(error.contains("not a Debian archive"), "{error}");
}

#[tokio::test]
async fn a_program_that_never_ends_is_stopped_at_its_limit() {
    let limit = Duration::from_millis(50);
    let mut sleep = tokio::process::Command::new("/bin/sh");
    sleep.args(["-c", "echo waiting >&2; exec sleep 600"]);
    let error = command::run("sleep", sleep, limit, |_| {}).await.unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }), "{error}");
}

#[tokio::test]
async fn only_the_last_lines_of_a_talkative_program_are_kept() {
    let mut talk = tokio::process::Command::new("/bin/sh");
    talk.args(["-c", "seq 1 20000 >&2; head -c 100000 /dev/zero | tr '\\0' x >&2; exit 3"]);
    let error = command::run("talk", talk, Duration::from_secs(60), |_| {}).await.unwrap_err();
    let Error::Failed { told, how, .. } = error else { panic!("{error}") };
    assert_eq!(how, "exit code 3");
    assert!(told.contains("20000\nxxx") && !told.contains("19000"));
    assert!(told.len() < 2000, "{}", told.len());
}

#[test]
fn programs_are_found_on_the_path_then_in_further_folders() {
    let machine = Machine::with(&[("lamp", "")]);
    let bin = machine.bin();
    assert_eq!(find("lamp", bin.as_os_str(), &[]), Some(bin.join("lamp")));
    assert_eq!(find("lamp", OsStr::new("/none"), &[bin.to_str().unwrap()]), Some(bin.join("lamp")));
    assert_eq!(find("lamp", OsStr::new("bin:."), &[]), None, "relative folders are not trusted");
    fs::set_permissions(bin.join("lamp"), fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(find("lamp", bin.as_os_str(), &[]), None, "not a program");
}

#[test]
fn another_request_is_another_folder() {
    let request =
        Request { name: "a", packages: &["x"], cache: Path::new("/c"), path: OsStr::new("") };
    let other = Request { packages: &["x", "y"], ..request };
    assert_eq!(root(request), root(request));
    assert_ne!(root(request), root(other));
}
