//! What all sockets of a server share: the zones of the moment, and the counters.
//!
//! A panic while a message is answered costs that message: it is caught here, counted, logged, and
//! the client hears SERVFAIL.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, PoisonError, RwLock};

use crate::reply::{self, TC};
use crate::status::{Counters, add};
use crate::{Rcode, Transport, Zones, answer};

#[derive(Debug)]
pub(crate) struct Authority {
    zones: RwLock<Arc<Zones>>,
    pub(crate) counters: Arc<Counters>,
}

impl Authority {
    pub(crate) fn new(zones: Zones) -> Authority {
        Authority { zones: RwLock::new(Arc::new(zones)), counters: Arc::default() }
    }

    /// The zones as they are now. Ask once per batch: a reload in between shows in the next one.
    pub(crate) fn zones(&self) -> Arc<Zones> {
        // The lock guards one pointer, which is whole whatever panicked while it was held.
        self.zones.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn replace(&self, zones: Zones) {
        *self.zones.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(zones);
    }

    /// Answers a message, as [`answer()`] does, and counts it. False: nothing is to be sent.
    pub(crate) fn answer(
        &self,
        zones: &Zones,
        query: &[u8],
        transport: Transport,
        into: &mut Vec<u8>,
    ) -> bool {
        add(&self.counters.queries);
        let guarded =
            guard(&self.counters.panics, query, into, |into| answer(zones, query, transport, into));
        let Some(rcode) = guarded else {
            add(&self.counters.dropped);
            return false;
        };
        self.counters.answered(rcode);
        if u16::from_be_bytes([into[2], into[3]]) & TC != 0 {
            add(&self.counters.truncated);
        }
        true
    }
}

/// Does `work`; if it panics, the answer is SERVFAIL.
fn guard(
    panics: &AtomicU64,
    query: &[u8],
    into: &mut Vec<u8>,
    work: impl FnOnce(&mut Vec<u8>) -> Option<Rcode>,
) -> Option<Rcode> {
    // What a panic leaves in `into` is thrown away by the next write.
    if let Ok(rcode) = catch_unwind(AssertUnwindSafe(|| work(&mut *into))) {
        return rcode;
    }
    let panics = add(panics) + 1;
    // Somebody who found the fault may send it a million times: the log hears of it twenty times.
    if panics.is_power_of_two() {
        tracing::error!(panics, query = %query.escape_ascii(), "a DNS message caused a panic");
    }
    reply::server_failure(query, into)
}

#[cfg(test)]
mod tests;
