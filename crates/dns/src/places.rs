//! The limit on TCP connections: so many in all, and so many for each client.
//!
//! A client is an IPv4 address, or an IPv6 network of 64 bits: whoever has one such address has
//! them all.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The places at one listener.
#[derive(Clone, Debug)]
pub(crate) struct Places(Arc<Shared>);

/// A place that is taken, until this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Places,
    client: IpAddr,
}

#[derive(Debug)]
struct Shared {
    all_max: usize,
    client_max: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_client: HashMap<IpAddr, usize>,
}

impl Places {
    pub(crate) fn new(all_max: usize, client_max: usize) -> Places {
        Places(Arc::new(Shared { all_max, client_max, taken: Mutex::default() }))
    }

    /// Takes a place; None when there is none left, for anybody or for this client.
    pub(crate) fn take(&self, address: IpAddr) -> Option<Place> {
        let client = client(address);
        let mut taken = self.taken();
        let of_client = taken.by_client.get(&client).copied().unwrap_or(0);
        if taken.all >= self.0.all_max || of_client >= self.0.client_max {
            return None;
        }
        taken.all += 1;
        taken.by_client.insert(client, of_client + 1);
        Some(Place { places: self.clone(), client })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.all -= 1;
        if let Some(of_client) = taken.by_client.get_mut(&self.client) {
            *of_client -= 1;
            if *of_client == 0 {
                taken.by_client.remove(&self.client);
            }
        }
    }
}

fn client(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.into(),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

#[cfg(test)]
mod tests;
