//! What a site is told of its queue: what is asked of its workers, and which of them take long. And
//! what is told of the queue when somebody asks.
//!
//! ```text
//!   queue ──activity──▶ report ──FromEdge──▶ site     at most every 20 ms while requests wait for a
//!         ──notices───▶                               pool that can grow, else every second
//! ```
//! A queue where nothing happens costs nothing: there is no timer.

use std::time::Duration;

use flow::Stamp;
use flow::control::{FromEdge, Pool, Served};
use proc::Channel;
use queue::{Activity, Queue, Status, Waits};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// Tells a site of its queue until one of them ends.
pub(crate) async fn report(queue: &Queue, site: &Channel, pool: watch::Receiver<Pool>) {
    let (notify, mut notices) = mpsc::channel(NOTICES_MAX);
    queue.notify(notify);
    let mut activity = queue.activity();
    // A site that was just met is told how things are.
    activity.mark_changed();
    let (mut told, mut at) = (Activity::default(), Instant::now());
    loop {
        let now = *activity.borrow_and_update();
        let due = at + gap(*pool.borrow(), now);
        let sent = tokio::select! {
            changed = activity.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
            Some(notice) = notices.recv() => site.send(&notice, &[]).await,
            () = tokio::time::sleep_until(due), if now != told => {
                (told, at) = (now, Instant::now());
                let served = served(&queue.status().await);
                site.send(&FromEdge::Report { demand: now.demand, served }, &[]).await
            }
        };
        if sent.is_err() {
            return;
        }
    }
}

/// How long a report waits for the one before it.
fn gap(pool: Pool, activity: Activity) -> Duration {
    match pool {
        Pool::Grows if activity.demand.waiting > 0 => GAP_WAITING,
        _ => GAP,
    }
}

fn served(status: &Status) -> Vec<Served> {
    let each = status.each.iter().filter(|worker| worker.pid != 0);
    each.map(|worker| Served { pid: worker.pid, requests: worker.served }).collect()
}

/// The status of a queue, as `davy status --json` has it.
pub(crate) fn status(domain: &str, status: &Status) -> Value {
    let now = Stamp::now();
    let workers = status.each.iter().map(|worker| {
        let busy = worker.busy_since.map(|since| millis(now.since(since)));
        json!({
            "pid": worker.pid,
            "served": worker.served,
            "running": worker.running,
            "busy_ms": busy,
        })
    });
    json!({
        "domain": domain,
        "workers_connected": status.workers,
        "waiting": status.waiting,
        "running": status.running,
        "busy": status.each.iter().filter(|worker| worker.running > 0).count(),
        "handed": status.handed,
        "ahead": status.ahead,
        "recalled": status.recalled,
        "repeated": status.repeated,
        "expired": status.expired,
        "waits": waits(status.waits),
        "workers": workers.collect::<Vec<_>>(),
    })
}

/// How many requests have waited up to so many milliseconds, and `more`.
fn waits(waits: Waits) -> Value {
    let bounds = Waits::BOUNDS.iter().map(|bound| millis(*bound).to_string());
    let names = bounds.chain(["more".to_owned()]);
    names.zip(waits.0).map(|(name, count)| (name, Value::from(count))).collect()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// For the site to start a worker soon, and not to be busy with reports.
const GAP_WAITING: Duration = Duration::from_millis(20);
const GAP: Duration = Duration::from_secs(1);
/// More requests than that are never slow at once: each has a worker.
const NOTICES_MAX: usize = 1024;
