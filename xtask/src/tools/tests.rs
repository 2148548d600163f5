//! Looking for programs in folders of our own.

use super::*;

#[test]
fn program_in_any_folder_of_the_path_is_not_missing() {
    // Both are files that every checkout has, in two folders.
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let path = std::env::join_paths([source.join("tools"), source]).unwrap();
    let names = ["tests.rs", "main.rs", "dig"];
    let tools = names.map(|name| Tool { kind: Kind::Program, name, package: "any" });
    assert_eq!(missing(&tools, &path), [&tools[2]]);
}

#[test]
fn folder_of_that_name_is_no_program() {
    let path = env!("CARGO_MANIFEST_DIR");
    assert!(!is_on(path.as_ref(), "src"));
}

#[test]
fn missing_tools_are_named_by_their_packages() {
    let mut missing = missing(&FOR_TESTS, OsStr::new("/nowhere"));
    // Files are there or not, whatever the PATH.
    missing.retain(|tool| !matches!(tool.kind, Kind::File));
    assert_eq!(
        packages(&missing),
        [
            "python3",
            "python3-venv",
            "bind9-dnsutils",
            "curl",
            "mariadb-client-core",
            "debootstrap",
            "nodejs",
            "npm",
            "php8.2-fpm",
            "php8.2-cgi",
            "chromium-driver",
            "ruby",
            "bundler",
            "ruby-minitest",
            "ruby-mysql2",
            "ruby-sinatra",
            "puma",
            "ruby-rails"
        ]
    );
}

#[test]
fn modules_are_asked_of_python_itself() {
    let path = std::env::var_os("PATH").unwrap();
    let tools = ["json", "no_such_module"];
    let tools = tools.map(|name| Tool { kind: Kind::PythonModule, name, package: "any" });
    assert_eq!(missing(&tools, &path), [&tools[1]]);
}

#[test]
fn nothing_may_be_installed_without_apt_get() {
    assert_eq!(rights(OsStr::new("/nowhere")), None);
}
