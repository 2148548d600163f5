//! What a Config always is, whatever was written. The messages are in `tests/scripts`.

use std::path::Path;

use proptest::prelude::*;

use super::{database, folder, host};
use crate::check;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_host_name_that_passes_is_a_dns_name(text in "[a-zA-Z0-9._*:/@ ä-]{0,80}") {
        if let Ok(name) = host::host("it", &text) {
            prop_assert!(name.len() <= 253 && name == text.to_ascii_lowercase());
            for label in name.split('.') {
                prop_assert!((1..=63).contains(&label.len()));
                prop_assert!(label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'));
                prop_assert!(!label.starts_with('-') && !label.ends_with('-'));
            }
        }
    }

    #[test]
    fn the_name_that_is_offered_would_pass(text in "(https?://)?[a-z.@:/*ä-]{0,30}") {
        if let Err(fault) = host::host("it", &text)
            && let Some(offer) = fault.help.strip_prefix("write \"")
        {
            prop_assert!(host::host("it", offer.trim_end_matches('"')).is_ok(), "{offer}");
        }
    }

    #[test]
    fn a_root_that_passes_lies_inside_the_project(text in "[a./~\\\\]{0,12}") {
        let project = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(project.path().join("a/a")).unwrap();
        if let Ok(root) = folder::root(&text, project.path()) {
            let root = project.path().join(root).canonicalize().unwrap();
            prop_assert!(root.starts_with(project.path().canonicalize().unwrap()));
        }
    }
}

#[test]
fn urls_are_passed_on_as_they_are() {
    for url in [
        "mysql://root:p%40ss@localhost:3306/shop?charset=utf8mb4",
        "mysql+pymysql://localhost/shop?unix_socket=/run/mysql.sock",
        "mariadb://[2001:db8::1]/shop",
        "postgres://db/shop",
        "sqlite:///db.sqlite3",
    ] {
        assert_eq!(database::url(url).as_deref(), Ok(url));
    }
    for wrong in ["", "shop", "jdbc:mysql://localhost/shop", "mysql:/x", "1://x", "mysql://a b/c"] {
        assert!(database::url(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_byte_order_mark_is_no_problem() {
    let config = check("davy.toml", "\u{feff}workers = 2\n", Path::new(".")).unwrap();
    assert_eq!(config.workers, Some(2));
}

#[test]
fn a_config_survives_its_way_to_a_child_process() {
    let text = "domain = \"a.org\"\naddress = \"::1\"\napp = \"a.b:c\"\n[env]\nA = \"1\"\n[db]\n";
    let config = check("davy.toml", text, Path::new(".")).unwrap();
    let json = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<crate::Config>(&json).unwrap(), config);
}
