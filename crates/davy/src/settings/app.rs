//! The application server's settings.

use std::collections::BTreeMap;
use std::net::IpAddr;

use anyhow::Context;
use app::cron::{Schedule, Times};
use app::workers::{Pool, Recycling};
use config::{App, Config};
use flow::control::{Address, Server};

/// The commands of `[cron]` with their times: in their own time zone, or the one that TZ names.
pub(crate) fn jobs(
    config: &Config,
    env: &[(String, String)],
) -> Result<BTreeMap<String, (Times, String)>, app::Error> {
    let zone = env.iter().find(|(name, _)| name == "TZ").map(|(_, zone)| zone.as_str());
    let times = |cron: &config::Cron| {
        let config::Schedule { minutes, hours, days, months, weekdays, either_day, .. } =
            cron.schedule;
        let schedule = Schedule { minutes, hours, days, months, weekdays, either_day };
        Times::new(schedule, cron.schedule.zone.as_deref().or(zone))
    };
    let entry = |(name, cron): (&String, &config::Cron)| {
        Ok((name.clone(), (times(cron)?, cron.command.clone())))
    };
    config.cron.iter().map(entry).collect()
}

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

/// How many requests a worker runs at a time: one, unless more are asked for.
pub(crate) fn threads(config: &Config) -> u16 {
    config.threads.unwrap_or(1)
}

/// How many processes of a server of its own: one, which runs many requests at a time, unless
/// davy.toml says more.
pub(crate) fn servers(config: &Config) -> Pool {
    let workers = config.workers.or(Some(1));
    pool(&Config { workers, ..config.clone() })
}

/// The server that a checked URL names. Asked by its name, it knows itself by that name; asked by an
/// address, it is taken for one of the site's own, which knows the visitor's.
pub(crate) fn server(url: &str) -> anyhow::Result<Server> {
    let url: http::Uri = url.parse()?;
    let host = url.host().context("the URL has no host")?;
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let is_own = bare == "localhost" || bare.parse::<IpAddr>().is_ok();
    let authority = url.authority().map(ToString::to_string);
    Ok(Server {
        address: Address::Tcp(bare.to_owned(), url.port_u16().unwrap_or(80)),
        prefix: url.path().trim_end_matches('/').to_owned(),
        host: authority.filter(|_| !is_own),
    })
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
    fn a_url_names_a_server_its_prefix_and_perhaps_its_host() {
        let server = |url| {
            let Server { address, prefix, host } = server(url).unwrap();
            (address.to_string(), prefix, host)
        };
        let of = |address: &str, prefix: &str, host: Option<&str>| {
            (address.to_owned(), prefix.to_owned(), host.map(str::to_owned))
        };
        assert_eq!(server("http://127.0.0.1:3000"), of("127.0.0.1:3000", "", None));
        assert_eq!(server("http://[::1]:3000/"), of("[::1]:3000", "", None));
        assert_eq!(server("http://localhost/api/"), of("localhost:80", "/api", None));
        let named = of("api.example:81", "/v1", Some("api.example:81"));
        assert_eq!(server("http://api.example:81/v1"), named);
    }

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
