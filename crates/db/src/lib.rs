//! Step 7: a private, supervised MariaDB and the relay of the MySQL protocol.
