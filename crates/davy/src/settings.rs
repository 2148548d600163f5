//! Config → each crate's Settings, and what the keeper tells each role at its start.

pub(crate) mod app;
pub(crate) mod db;
pub(crate) mod dns;
pub(crate) mod queue;
pub(crate) mod start;
pub(crate) mod web;
