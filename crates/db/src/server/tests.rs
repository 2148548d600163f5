//! What `prepare` refuses, without a server. With one: `tests/server.rs`.

use super::*;

#[test]
fn the_password_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let password = admin_password(folder.path()).unwrap();
    assert_eq!(admin_password(folder.path()).unwrap(), password);
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
