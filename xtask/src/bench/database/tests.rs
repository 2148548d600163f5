//! A worker's environment becomes that of another server's application.

use super::*;

#[test]
fn socket_is_the_servers_own_and_the_rest_is_the_workers() {
    let environ =
        ["PATH=/bin", "MYSQL_UNIX_SOCKET=/relay", "MYSQL_USER=page", "MYSQL_PASSWORD=a=b"];
    let variables = variables_of(&environ.map(str::to_owned), "/server").unwrap();
    let expected =
        [("MYSQL_USER", "page"), ("MYSQL_PASSWORD", "a=b"), ("MYSQL_UNIX_SOCKET", "/server")];
    assert_eq!(variables, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn process_without_a_password_is_no_worker() {
    assert_eq!(variables_of(&["MYSQL_USER=page".to_owned()], "/server"), None);
}
