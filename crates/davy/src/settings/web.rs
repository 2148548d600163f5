//! The web server's settings.

use web::Settings;

/// The limits of each of `threads` servers. Together they keep the limit of one.
pub(crate) fn settings(threads: usize) -> Settings {
    let all = Settings::default();
    Settings { connections_max: all.connections_max.div_ceil(threads.max(1)), ..all }
}
