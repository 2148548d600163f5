//! The server's settings: small in memory, durable on disk, closed to the network.
//!
//! A commit is on disk before it is answered (`innodb-flush-log-at-trx-commit = 1`). There is no
//! binary log yet: nothing reads it, it would cost three commits out of four, and it would forbid
//! sites to make triggers.

/// How many connections sites may have together.
pub const CONNECTIONS_MAX: usize = 200;

/// `my.cnf`. max-connections leaves davy_admin some room beyond [`CONNECTIONS_MAX`].
///
/// unix_socket = OFF: even an account that asked for it could not use that plugin.
pub(crate) const TEXT: &str = "\
# Written by davy at every start: changes made here are lost.
[mariadbd]
skip-networking
skip-name-resolve
skip-symbolic-links
unix_socket = OFF
local-infile = ON
max-connections = 210
max-allowed-packet = 64M
character-set-server = utf8mb4
collation-server = utf8mb4_unicode_ci

innodb-flush-log-at-trx-commit = 1
innodb-buffer-pool-size = 64M
innodb-log-file-size = 16M
innodb-log-buffer-size = 2M

performance-schema = OFF
query-cache-type = 0
key-buffer-size = 64K
aria-pagecache-buffer-size = 1M
table-open-cache = 400
table-definition-cache = 400
tmp-table-size = 4M
max-heap-table-size = 4M
thread-cache-size = 4
log-warnings = 1
";

/// What the server carries out at every start, before it takes connections: `davy_admin` exists,
/// with this password, and may do everything. So the password in davy's file is always the right
/// one. It consists of digits and letters, and needs no quoting.
pub(crate) fn admin(password: &str) -> String {
    format!(
        "GRANT ALL PRIVILEGES ON *.* TO '{ADMIN}'@'localhost' \
         IDENTIFIED BY '{password}' WITH GRANT OPTION;\n"
    )
}

/// davy's own account.
pub(crate) const ADMIN: &str = "davy_admin";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_takes_more_connections_than_the_relay_hands_on() {
        let line = TEXT.lines().find_map(|line| line.strip_prefix("max-connections = ")).unwrap();
        assert!(line.parse::<usize>().unwrap() > CONNECTIONS_MAX);
    }
}
