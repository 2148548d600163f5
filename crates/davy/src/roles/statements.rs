//! The statements that the relay saw, on their way to the edge: in batches, and never at the price of
//! a statement. What finds no room is counted and lost.

use std::time::Duration;

use db::{Seen, Statements};
use flow::{Flush, Passed, Query};
use proc::Channel;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// The way to the task that sends them.
#[derive(Debug)]
pub(crate) struct Post {
    edges: mpsc::Sender<Channel>,
}

impl Post {
    /// Starts the task, and gives what the relay tells it through.
    pub(crate) fn open() -> (Post, Seen) {
        let (seen, statements) = Seen::channel(QUERIES_WAITING_MAX);
        statements.listen(false);
        let (edges, met) = mpsc::channel(1);
        tokio::spawn(send(statements, met));
        (Post { edges }, seen)
    }

    /// Sends to this edge from now on.
    pub(crate) fn meet_edge(&self, channel: Channel) {
        let edges = self.edges.clone();
        // The task takes it soon; it never waits for anything but this and its batch.
        tokio::spawn(async move { edges.send(channel).await });
    }
}

/// Statements that wait to be sent, and the edge they are for.
#[derive(Default)]
struct Batch {
    passed: Passed,
    bytes: usize,
    edge: Option<Channel>,
    due: Option<Instant>,
}

async fn send(mut statements: Statements, mut met: mpsc::Receiver<Channel>) {
    let mut batch = Batch::default();
    loop {
        tokio::select! {
            query = statements.next() => match query {
                Some(query) => batch.add(query),
                None => return,
            },
            Some(edge) = met.recv() => {
                // It says when it wants to hear of statements.
                statements.listen(false);
                batch.passed.flushed = 0;
                batch.edge = Some(edge);
            }
            asked = asked(batch.edge.as_ref()) => match asked {
                Some(Flush { number, listening }) => {
                    statements.listen(listening);
                    while let Some(query) = statements.waiting() {
                        batch.add(query);
                    }
                    batch.passed.missed += statements.missed();
                    batch.passed.flushed = batch.passed.flushed.max(number);
                    batch.send();
                }
                // Its successor will be introduced.
                None => batch.edge = None,
            },
            () = due(batch.due) => batch.send(),
        }
    }
}

/// The edge's next wish; None when it has gone.
async fn asked(edge: Option<&Channel>) -> Option<Flush> {
    match edge {
        Some(edge) => edge.receive::<Flush>().await.ok().flatten().map(|(flush, _)| flush),
        None => std::future::pending().await,
    }
}

async fn due(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

impl Batch {
    fn add(&mut self, query: Query) {
        let error = query.error.as_ref().map_or(0, String::len);
        // In JSON a character may take more than its bytes.
        self.bytes += 2 * (query.text.len() + error) + QUERY_BYTES;
        self.passed.queries.push(query);
        self.due.get_or_insert_with(|| Instant::now() + COLLECT);
        if self.bytes > BATCH_BYTES_MAX {
            self.send();
        }
    }

    fn send(&mut self) {
        let Batch { passed, edge, .. } = self;
        let count = passed.queries.len() as u64;
        match edge.as_ref().map(|edge| edge.try_send(&*passed, &[])) {
            Some(Ok(())) => passed.missed = 0,
            _ => passed.missed += count,
        }
        passed.queries.clear();
        (self.bytes, self.due) = (0, None);
    }
}

/// Statements on their way from the relay.
const QUERIES_WAITING_MAX: usize = 1024;
/// How long a batch is collected.
const COLLECT: Duration = Duration::from_millis(20);
/// What is sent at once, about; the longest statement still fits into a packet then.
const BATCH_BYTES_MAX: usize = 32 * 1024;
/// What a statement takes besides its texts.
const QUERY_BYTES: usize = 150;

#[cfg(test)]
mod tests {
    use flow::Stamp;

    use super::*;

    fn query(n: u64) -> Query {
        let (begun, ended, text) = (Stamp(n), Stamp(n + 1), "x".repeat(flow::QUERY_TEXT_MAX));
        Query { pid: 1, begun, ended, text, rows: 1, error: None }
    }

    async fn hear(edge: &Channel) -> Passed {
        let heard = tokio::time::timeout(Duration::from_secs(20), edge.receive::<Passed>()).await;
        heard.expect("it comes within 20 s").unwrap().unwrap().0
    }

    #[tokio::test]
    async fn a_flush_brings_all_that_was_seen_before_it() {
        let (post, seen) = Post::open();
        let (edge, theirs) = Channel::pair().unwrap();
        post.meet_edge(Channel::from_fd(theirs).unwrap());
        for n in 0..100 {
            seen.tell(query(n));
        }
        edge.send(&Flush { number: 7, listening: true }, &[]).await.unwrap();
        let (mut count, mut missed, mut flushed) = (0, 0, 0);
        while flushed < 7 {
            let passed = hear(&edge).await;
            count += passed.queries.len() as u64;
            missed += passed.missed;
            flushed = passed.flushed;
        }
        // The first ones may have come before the edge did.
        assert_eq!(count + missed, 100);
    }

    #[tokio::test]
    async fn the_next_edge_is_told_how_many_nobody_heard_of() {
        let (post, seen) = Post::open();
        let (edge, theirs) = Channel::pair().unwrap();
        post.meet_edge(Channel::from_fd(theirs).unwrap());
        edge.send(&Flush { number: 1, listening: true }, &[]).await.unwrap();
        while hear(&edge).await.flushed < 1 {}
        drop(edge);
        for n in 0..100 {
            seen.tell(query(n));
        }
        let (edge, theirs) = Channel::pair().unwrap();
        post.meet_edge(Channel::from_fd(theirs).unwrap());
        edge.send(&Flush { number: 1, listening: false }, &[]).await.unwrap();
        let (mut count, mut flushed) = (0, 0);
        while flushed < 1 {
            let passed = hear(&edge).await;
            count += passed.queries.len() as u64 + passed.missed;
            flushed = passed.flushed;
        }
        assert_eq!(count, 100);
    }
}
