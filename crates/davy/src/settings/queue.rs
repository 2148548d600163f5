//! The settings of a site's queue.

use queue::Settings;

use crate::place::Place;
use crate::settings::start::EdgeSite;

/// The limits in number and time.
pub(crate) fn settings(place: &Place, site: &EdgeSite) -> Settings {
    let waiting_max = usize::try_from(site.limits.waiting).unwrap_or(usize::MAX);
    Settings {
        waiting_max,
        wait_max: site.limits.wait,
        request_max: site.limits.request,
        unread: proc::unread,
        ..Settings::new(place.spool())
    }
}
