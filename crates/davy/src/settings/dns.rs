//! The name server's settings.

use std::time::{SystemTime, UNIX_EPOCH};

use dns::{Names, Settings};

use super::start::EdgeSite;

/// The zones of the sites. The serial is the time, so that it grows from start to start.
pub(crate) fn settings(sites: &[EdgeSite]) -> Settings {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Settings {
        sites: sites
            .iter()
            .map(|site| Names {
                domain: site.domain.clone(),
                aliases: site.aliases.clone(),
                addresses: site.address.clone(),
            })
            .collect(),
        // Serial numbers are taken modulo 2^32 (RFC 1982).
        serial: u32::try_from(now.as_secs() % (1 << 32)).unwrap_or(1),
    }
}
