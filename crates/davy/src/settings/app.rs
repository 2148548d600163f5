//! The application server's settings.

use config::{App, Config};

/// What davy.toml says of the application, in the words of the crate `app`.
pub(crate) fn asked(config: &Config) -> Option<String> {
    Some(match config.app.as_ref()? {
        App::Kind(word) => word.clone(),
        App::Callable { module, callable } => format!("{module}:{callable}"),
        App::Proxy(url) => url.clone(),
    })
}

/// How many workers: as configured, or one for each CPU.
pub(crate) fn workers(config: &Config) -> usize {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    config.workers.map_or(cpus.min(WORKERS_UNASKED_MAX), usize::from)
}

/// A small site on a large machine needs no more, unless it says so.
const WORKERS_UNASKED_MAX: usize = 16;
