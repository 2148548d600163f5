//! Step 7's database care: a private, supervised MariaDB and the relay of the MySQL protocol.
//!
//! ```text
//!   site's worker ── socket (public) ──▶ relay ── socket (private folder) ──▶ mariadbd
//!                                          ▲                                    │ data
//!                   users of sites, and no others: 1045            davy_admin ──┘
//! ```
//! - [`choose`] decides whether davy runs a database at all, and can say why.
//! - [`Server`] finds MariaDB or fetches it from the distribution, makes its data directory and its
//!   accounts. The keeper runs the program itself: a database outlives whoever looks after it.
//! - [`Relay`] passes bytes between a site and the server, one connection for one, and lets only
//!   the sites' own users in. Who wants to know is told of the statements that pass, their values
//!   masked.
//!
//! Behind a relay every connection reaches mariadbd from the relay's own uid. Therefore no account
//! may authenticate by unix_socket, and none is without a password; and nobody but davy can reach
//! the server's own socket.
//!
//! What it never does: remove or change a data directory that it did not just make, read
//! `/etc/mysql`, listen on the network, or change a byte of what passes.

mod account;
mod choice;
mod error;
#[doc(hidden)]
pub mod fuzz;
mod relay;
mod secret;
mod server;

pub use choice::{Asked, Choice, Engine, Table, Url, choose};
pub use error::Error;
pub use relay::{Peer, Relay, Seen, Settings as RelaySettings, Statements, Status};
pub use server::{CONNECTIONS_MAX, Folders, Server, Version};
