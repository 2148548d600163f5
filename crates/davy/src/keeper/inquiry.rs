//! `davy status`: the keeper asks its children, waits for their answers, and gives the whole.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use flow::control::{Peer, ToChild};
use proc::Channel;
use serde_json::{Value, json};

use super::member::Member;
use super::{Event, Keeper, name};
use crate::control::Reply;

/// A status that is being put together.
#[derive(Debug)]
pub(super) struct Inquiry {
    caller: Channel,
    waiting: BTreeSet<Peer>,
    told: BTreeMap<Peer, Value>,
}

impl Keeper {
    pub(super) fn inquire(&mut self, caller: Channel) {
        let number = self.number();
        let waiting: BTreeSet<Peer> = self
            .members
            .iter()
            .filter(|(peer, member)| member.life.is_some() && answers(peer, member))
            .map(|(peer, _)| peer.clone())
            .collect();
        waiting.iter().for_each(|peer| self.tell(peer, &ToChild::Status));
        self.inquiries.insert(number, Inquiry { caller, waiting, told: BTreeMap::new() });
        self.later(CHILD_ANSWERS_WITHIN, Event::InquiryLate(number));
    }

    pub(super) fn note_status(&mut self, peer: &Peer, status: &Value) {
        for inquiry in self.inquiries.values_mut() {
            if inquiry.waiting.remove(peer) {
                inquiry.told.insert(peer.clone(), status.clone());
            }
        }
        self.close_complete();
    }

    pub(super) fn forget_in_inquiries(&mut self, peer: &Peer) {
        for inquiry in self.inquiries.values_mut() {
            inquiry.waiting.remove(peer);
        }
        self.close_complete();
    }

    fn close_complete(&mut self) {
        let complete: Vec<u64> = self
            .inquiries
            .iter()
            .filter(|(_, inquiry)| inquiry.waiting.is_empty())
            .map(|(number, _)| *number)
            .collect();
        complete.into_iter().for_each(|number| self.close_inquiry(number));
    }

    pub(super) fn close_inquiry(&mut self, number: u64) {
        let Some(inquiry) = self.inquiries.remove(&number) else { return };
        let status = Reply::Status(self.status(&inquiry.told));
        if let Err(error) = inquiry.caller.try_send(&status, &[]) {
            tracing::warn!(%error, "a status could not be given");
        }
    }

    fn status(&self, told: &BTreeMap<Peer, Value>) -> Value {
        let children: Vec<Value> = self
            .members
            .iter()
            .filter(|(_, member)| member.life.is_some() || member.waiting)
            .map(|(peer, member)| {
                let life = member.life.as_ref();
                json!({
                    "name": name(peer),
                    "pid": life.map(|life| life.pid),
                    "ready": member.ready,
                    "up_s": life.map(|life| life.since.elapsed().as_secs()),
                    "restarts": member.restarts.count,
                    "status": told.get(peer),
                })
            })
            .collect();
        let programs: Vec<Value> = self
            .programs
            .iter()
            .map(|(name, running)| {
                let life = running.life.as_ref();
                json!({
                    "name": name,
                    "pid": life.map(|life| life.pid),
                    "up_s": life.map(|life| life.since.elapsed().as_secs()),
                    "restarts": running.restarts.count,
                })
            })
            .collect();
        let lines: Vec<Value> =
            self.lines.iter().map(|(_, line)| json!([line.label, line.text])).collect();
        json!({
            "pid": std::process::id(),
            "version": env!("CARGO_PKG_VERSION"),
            "up": self.up,
            "up_s": self.started.elapsed().as_secs(),
            "lines": lines,
            "children": children,
            "programs": programs,
        })
    }
}

/// The edge answers from its start on; the others only once they have come up, and nobody waits for
/// that.
fn answers(peer: &Peer, member: &Member) -> bool {
    *peer == Peer::Edge || member.ready
}

const CHILD_ANSWERS_WITHIN: Duration = Duration::from_secs(1);
