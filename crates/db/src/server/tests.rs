//! What `prepare` refuses, without a server. With one: `tests/server.rs`.

use super::*;

fn folders(folder: &Path) -> Folders {
    Folders {
        data: folder.join("data"),
        private: folder.join("private"),
        run: folder.join("private"),
        socket: folder.join("mysql.sock"),
        cache: folder.join("cache"),
        path: "/nonexistent".into(),
    }
}

#[test]
fn a_password_is_never_made_anew_for_data_that_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let folders = folders(folder.path());
    proc::private_folder(&folders.private).unwrap();
    let password = admin_password(&folders).unwrap();
    fs::create_dir(&folders.data).unwrap();
    assert_eq!(admin_password(&folders).unwrap(), password);
    fs::remove_file(folders.private.join("davy_admin.password")).unwrap();
    let error = admin_password(&folders).unwrap_err();
    assert!(matches!(error, Error::Locked { .. }), "{error}");
}

#[test]
fn data_of_a_later_series_is_refused_and_kept() {
    let data = tempfile::tempdir().unwrap();
    let [old, new] = ["10.11.19", "11.4.2"].map(|text| Version::parse(text).unwrap());
    bootstrap::check_version(data.path(), old).unwrap();
    bootstrap::note_version(data.path(), old).unwrap();
    bootstrap::check_version(data.path(), new).unwrap();
    bootstrap::note_version(data.path(), new).unwrap();
    let error = bootstrap::check_version(data.path(), old).unwrap_err();
    assert!(error.to_string().contains("last used by MariaDB 11.4.2"), "{error}");
    assert!(data.path().exists());
}
