//! A project so deep down that the paths of its sockets would be too long for the kernel.

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use davy_e2e::{Project, curl, curl_args, processes};

/// The only folder in there.
fn only_entry(folder: &Path) -> PathBuf {
    let entries: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let [only] = &entries[..] else { panic!("{entries:?}") };
    only.clone()
}

fn sockets(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(|it| it.file_type().unwrap().is_socket()).map(|it| it.path()).collect()
}

#[test]
fn a_deep_project_has_its_sockets_in_a_private_runtime_folder() {
    let runtime = tempfile::TempDir::with_prefix("r").unwrap();
    let path = format!("{}/guestbook", ["0123456789"; 18].join("/"));
    let project = Project::below(Path::new(&path))
        .with_env("XDG_RUNTIME_DIR", runtime.path().to_str().unwrap());
    assert!(project.folder().as_os_str().len() >= 200, "{}", project.folder().display());
    project.add_example("guestbook");

    for start in 0..2 {
        let davy = project.up();
        let fields = ["--data-urlencode", "name=Ada", "--data-urlencode", "message=from below"];
        assert_eq!(curl_args(&[&fields[..], &[&davy.url("/")]].concat()).status, 303);
        let page = curl(&davy.url("/")).text();
        assert_eq!(page.matches("from below").count(), start + 1, "{page}");

        let run = only_entry(runtime.path());
        assert_eq!(fs::metadata(&run).unwrap().permissions().mode() & 0o777, 0o700);
        assert!(sockets(&run).len() >= 4, "davy, mysql, two workers: {:?}", sockets(&run));
        assert!(sockets(&project.path(".davy/run")).is_empty());
        let told = &processes::environ(davy.workers()[0])["MYSQL_UNIX_SOCKET"];
        assert_eq!(Path::new(told), run.join("mysql.sock"));
        assert_eq!(davy.run(&["status"]).code, Some(0));
        davy.stop();
        assert!(sockets(&run).iter().all(|socket| !socket.ends_with("davy.sock")));
    }
}
