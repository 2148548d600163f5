//! Child processes, socket hand-over, signals and limits: davy's hold on the operating system.
//!
//! A child is started in two steps, so that nothing of ours ever runs between fork and exec:
//!
//! ```text
//! parent ── fork+exec ──▶ davy spawn  (session, death signal, limits)  ── exec ──▶ the program
//!                         fd 0: the child's control channel or listening socket
//!                         fd 1, 2: inherited, piped or closed
//! ```
//! No other descriptor is inherited; all others travel over the control [`Channel`]. This is the only
//! crate that may use `unsafe` or `libc`: to register a descriptor with tokio, and for one ioctl.

mod backoff;
mod channel;
mod exit;
mod family;
mod listen;
mod lock;
mod paths;
mod ports;
mod process;
mod spawn;
mod unread;

pub use backoff::{Backoff, Readiness};
pub use channel::{Channel, Door};
pub use exit::{Exit, Signal};
pub use family::{kill_child_of, kill_orphans, own_orphans, reap_orphans};
pub use listen::{Bound, Wish, bind_tcp, bind_udp, listen_unix, peer_pid};
pub use lock::{Lock, Locked};
pub use paths::{SOCKET_PATH_BYTES_MAX, private_folder, socket_folder};
pub use ports::{Holder, Protocol, holder_of_port};
pub use process::Process;
pub use spawn::{Child, Limits, Output, Own, Spec, Stdin, run_spawn_role, spawn};
pub use unread::unread;
