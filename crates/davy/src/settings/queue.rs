//! The settings of a site's queue.

use queue::Settings;

use crate::settings::start::EdgeSite;

/// The limits in number and time.
pub(crate) fn settings(site: &EdgeSite) -> Settings {
    let waiting_max = usize::try_from(site.limits.waiting).unwrap_or(usize::MAX);
    Settings { waiting_max, wait_max: site.limits.wait, unread: proc::unread }
}
