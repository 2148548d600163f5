//! The loop of one UDP socket.
//!
//! It reads as long as there is something to read, but lets the other tasks of its thread have
//! their turn after each batch. An answer leaves by the socket its question came in on, so it comes
//! from the address that was asked; a machine with several addresses needs a socket for each.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;

use crate::authority::Authority;
use crate::server::Stop;
use crate::status::add;
use crate::{Transport, Zones};

/// How many datagrams are taken before other tasks have their turn.
const BATCH: usize = 64;

/// The longest datagram that is read, in bytes. What is longer is cut by the kernel, and then is no
/// message any more: it is answered with FORMERR.
const QUERY_BYTES_MAX: usize = 4096;

/// How long a socket rests after an error, so that one that is broken does not take a whole core.
const REST: Duration = Duration::from_millis(100);

/// Answers datagrams until told to stop. Those that are still in the socket then stay there, for
/// whoever else holds it: the next generation of this process.
pub(crate) async fn serve(socket: UdpSocket, authority: Arc<Authority>, mut stop: Stop) {
    let mut desk = Desk { query: vec![0; QUERY_BYTES_MAX], answer: Vec::new() };
    loop {
        let outcome = tokio::select! {
            ready = socket.readable() => match ready {
                Ok(()) => desk.serve_batch(&socket, &authority).await,
                Err(error) => Err(error),
            },
            () = stop.requested() => return,
        };
        match outcome {
            Ok(()) => tokio::task::yield_now().await,
            Err(error) => {
                tracing::warn!(%error, "a UDP socket of the DNS server failed");
                tokio::time::sleep(REST).await;
            }
        }
    }
}

/// The two buffers of a loop.
struct Desk {
    query: Vec<u8>,
    answer: Vec<u8>,
}

impl Desk {
    async fn serve_batch(&mut self, socket: &UdpSocket, authority: &Authority) -> io::Result<()> {
        let zones = authority.zones();
        for _ in 0..BATCH {
            match socket.try_recv_from(&mut self.query) {
                Ok((length, client)) => {
                    self.serve_one(length, client, socket, authority, &zones).await;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn serve_one(
        &mut self,
        length: usize,
        client: SocketAddr,
        socket: &UdpSocket,
        authority: &Authority,
        zones: &Zones,
    ) {
        // Nobody listens on port 0: the address is made up.
        if client.port() == 0 {
            add(&authority.counters.dropped);
            return;
        }
        let query = &self.query[..length];
        if authority.answer(zones, query, Transport::Udp, &mut self.answer) {
            // An answer that can't be sent (no route, say) is the client's to ask for again.
            let sent = socket.send_to(&self.answer, client).await;
            if let Err(error) = sent {
                tracing::debug!(%error, %client, "an answer could not be sent");
            }
        }
    }
}

#[cfg(test)]
mod tests;
