//! The tests of `worker.rs` a second time, with the worker in pure Python: as where its native
//! helper can't be loaded.

#[path = "worker.rs"]
mod worker;
