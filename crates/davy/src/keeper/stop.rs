//! The end of the stack: against the way of a request, so that nobody loses what he stands on.
//!
//! ```text
//! edge: answers what it has   ▶ sites: workers finish   ▶ db: relay closes   ▶ mariadbd   ▶ orphans
//! ```

use std::time::Duration;

use flow::control::{Peer, ToChild};
use proc::Signal;
use tokio::signal::unix::Signal as Interrupts;
use tokio::time::Instant;

use super::program::PROGRAM_STOP;
use super::{Ending, Event, Keeper};

impl Keeper {
    /// Stops everything. A second Ctrl-C cuts the waiting short; the database still ends cleanly.
    pub(super) async fn stop(&mut self, ending: &Ending, interrupt: &mut Interrupts) {
        if self.up {
            self.console.say("stop", "finishing what is in hand (Ctrl-C again: at once)");
        }
        let mut deadline = Instant::now() + PATIENCE;
        for stage in [stage_edge, stage_sites, stage_db] {
            let peers: Vec<Peer> =
                self.members.keys().filter(|peer| stage(peer)).cloned().collect();
            self.end_members(&peers, &mut deadline, interrupt).await;
        }
        self.end_programs().await;
        self.end_orphans().await;
        if *ending == Ending::Asked {
            self.console.say("stopped", "");
        }
    }

    async fn end_members(
        &mut self,
        peers: &[Peer],
        deadline: &mut Instant,
        interrupt: &mut Interrupts,
    ) {
        let left = deadline.saturating_duration_since(Instant::now());
        let within_ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        for peer in peers {
            self.tell(peer, &ToChild::Drain { within_ms });
        }
        while peers.iter().any(|peer| self.life(peer).is_some()) {
            tokio::select! {
                event = self.inbox.recv() => self.take_last(event),
                _ = interrupt.recv() => {
                    *deadline = Instant::now();
                    self.kill(peers);
                }
                () = tokio::time::sleep_until(*deadline + GRACE) => {
                    self.kill(peers);
                    // Nothing outlives KILL for long.
                    let _ = tokio::time::timeout(GRACE, self.until_buried(peers)).await;
                    return;
                }
            }
        }
    }

    async fn until_buried(&mut self, peers: &[Peer]) {
        while peers.iter().any(|peer| self.life(peer).is_some()) {
            let event = self.inbox.recv().await;
            self.take_last(event);
        }
    }

    fn kill(&self, peers: &[Peer]) {
        for life in peers.iter().filter_map(|peer| self.life(peer)) {
            let _ = life.signals.send(Signal::Kill);
        }
    }

    /// While stopping, only ends count.
    fn take_last(&mut self, event: Option<Event>) {
        match event {
            Some(Event::Ended(peer, number, _)) if self.is_alive(&peer, number) => {
                if let Some(member) = self.members.get_mut(&peer) {
                    member.life = None;
                }
            }
            Some(Event::ProgramEnded(name, _)) => {
                if let Some(running) = self.programs.get_mut(&name) {
                    running.life = None;
                }
            }
            _ => {}
        }
    }

    async fn end_programs(&mut self) {
        for life in self.programs.values().filter_map(|running| running.life.as_ref()) {
            let _ = life.signals.send(Signal::Term);
        }
        let ended = async {
            while self.programs.values().any(|running| running.life.is_some()) {
                let event = self.inbox.recv().await;
                self.take_last(event);
            }
        };
        if tokio::time::timeout(PROGRAM_STOP, ended).await.is_err() {
            for life in self.programs.values().filter_map(|running| running.life.as_ref()) {
                tracing::error!(pid = life.pid, "the database server did not stop and is killed");
                let _ = life.signals.send(Signal::Kill);
            }
        }
    }

    /// Workers of a site that died before them, and whatever else was left behind.
    async fn end_orphans(&self) {
        let deadline = Instant::now() + GRACE;
        let mut signal = Signal::Term;
        while proc::kill_orphans(signal) > 0 {
            proc::reap_orphans(&[]);
            if Instant::now() > deadline {
                signal = Signal::Kill;
            }
            if Instant::now() > deadline + GRACE {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

fn stage_edge(peer: &Peer) -> bool {
    matches!(peer, Peer::Edge)
}

fn stage_sites(peer: &Peer) -> bool {
    matches!(peer, Peer::Site(_))
}

fn stage_db(peer: &Peer) -> bool {
    matches!(peer, Peer::Db)
}

/// How long all stages together may finish what they have in hand.
const PATIENCE: Duration = Duration::from_secs(10);
/// What a stage gets beyond that before it is killed.
const GRACE: Duration = Duration::from_secs(1);
