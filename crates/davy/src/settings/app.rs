//! The application server's settings.

use app::workers::{Pool, Recycling};
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
pub(crate) fn pool(config: &Config) -> Pool {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let unasked = cpus.min(WORKERS_UNASKED_MAX);
    let least = config.workers.map_or(unasked, usize::from);
    let most = match (config.workers_max, least) {
        (Some(most), _) => usize::from(most),
        (None, 0) => unasked,
        (None, least) => least,
    };
    // Without `workers` there may be fewer than CPUs, if that is all that is allowed.
    let least = if config.workers.is_none() { least.min(most) } else { least };
    Pool { least, most: most.max(least), idle: config.limits.idle }
}

/// After what a worker is replaced.
pub(crate) fn recycling(config: &Config) -> Recycling {
    let config::Limits { requests, age, memory, .. } = config.limits;
    Recycling { requests: requests.map(u64::from), age, memory }
}

/// A small site on a large machine needs no more, unless it says so.
const WORKERS_UNASKED_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_is_as_large_as_davy_toml_says() {
        let bounds = |workers, workers_max| {
            let pool = pool(&Config { workers, workers_max, ..Config::default() });
            (pool.least, pool.most)
        };
        assert_eq!(bounds(Some(4), None), (4, 4));
        assert_eq!(bounds(Some(1), Some(8)), (1, 8));
        assert_eq!(bounds(Some(0), Some(3)), (0, 3));
        assert_eq!(bounds(None, Some(1)), (1, 1));
        let (least, most) = bounds(Some(0), None);
        assert!(least == 0 && most >= 1);
        let (least, most) = bounds(None, None);
        assert!(least >= 1 && least == most);
    }
}
