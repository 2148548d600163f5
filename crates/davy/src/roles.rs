//! The parts that the roles of wire.rs are put together from.

pub(crate) mod access;
pub(crate) mod child;
pub(crate) mod database;
mod demand;
pub(crate) mod edge;
pub(crate) mod hosts;
pub(crate) mod running;
pub(crate) mod site;
pub(crate) mod statements;
pub(crate) mod traces;
