//! The settings of a site's queue.

use queue::Settings;

/// The limits in number and time. davy.toml has no say in them yet.
pub(crate) fn settings() -> Settings {
    Settings::default()
}
