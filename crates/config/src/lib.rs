//! davy's own files: `davy.toml` and `.env` become a checked [`Config`], or a [`Report`].
//!
//! ```text
//!  davy.toml ─ shape ─▶ raw::File ─ check ─▶ Config ◀─ dotenv ─ .env
//!                │                    │                   │
//!                └─── Problems ◀──────┴───────────────────┘──▶ Report
//! ```
//!
//! Two phases, so that each stays simple: `shape` turns text into the structs of `raw`, which are
//! the file one to one; `check` turns those into what the program uses. Neither stops at the first
//! problem: a person mends a file once, not once per mistake. The doc comments in `raw` are also
//! the manual ([`reference()`]), the help ([`names()`]) and the JSON schema ([`schema()`]).
//!
//! This is the only crate that knows davy.toml. It reads the two files and looks whether `root` is
//! a folder; it never touches the process's environment, and never writes.

mod check;
mod config;
mod dotenv;
#[doc(hidden)]
pub mod fuzz;
mod load;
mod names;
mod origin;
mod problems;
mod raw;
mod reference;
mod report;
mod shape;
mod suggest;
mod syntax;

pub use config::{APP_KINDS, App, Config, Cron, Db, Engine, Limits, Relay, Schedule, Table};
pub use load::{FILE_BYTES_MAX, check, load, load_with_origins};
pub use origin::{Kind, Origin, Origins};
pub use reference::{Name, names, names_meant, reference, schema};
pub use report::{Color, Place, Problem, Report};
