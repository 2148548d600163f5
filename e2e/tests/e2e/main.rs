//! davy, driven end to end by real clients: curl, dig, Chromium, MariaDB's client.
//!
//! `cargo build -p davy && cargo test -p davy-e2e`. The davy beside this binary is driven, or the
//! one that `DAVY_BIN` names.
// clippy.toml allows it in tests, but does not know their helpers here.
#![allow(clippy::unwrap_used)]

mod ahead;
mod asgi;
mod command;
mod config;
mod database;
mod death;
mod deep;
mod django;
mod ending;
mod faults;
mod folders;
mod following;
mod guestbook;
mod hostile;
mod jobs;
mod ledger;
mod locks;
mod logs;
mod machine;
mod names;
mod php;
mod pools;
mod ports;
mod ruby;
mod sites;
mod slow_clients;
mod status;
mod streams;
mod trace;
mod wordpress;
