//! The keeper: a small loop with a stable pid that starts, watches, introduces and stops the others.
//!
//! ```text
//!   events ◀── attend (one task a child: its messages, its end)
//!     │
//!     ▼
//!   keeper ──▶ console, log
//!          ──▶ start, restart after a back-off, introduce, stop
//! ```
//! It knows its children as plain recipes. What they are told at their start, and what they say to
//! one another, passes it unread; it never looks into a site's files.

mod inquiry;
mod member;
mod program;
mod stop;

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use flow::control::{Line, LineState, Peer, Program, ToChild, ToKeeper};
use proc::{Backoff, Channel, Door, Exit, Own};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::console::Console;
use crate::control::{Ask, Reply};
use crate::logs::{Logs, Reach};

use inquiry::Inquiry;
use member::Member;
pub(crate) use member::{Recipe, Start};
use program::Running;

/// What happens to the keeper.
#[derive(Debug)]
enum Event {
    /// A child said something.
    Said(Peer, u64, ToKeeper),
    /// A child has ended.
    Ended(Peer, u64, Exit),
    /// A child's back-off is over.
    Restart(Peer),
    /// A program has ended.
    ProgramEnded(String, Exit),
    /// A program's back-off is over.
    RestartProgram(String),
    /// Somebody asks something at davy.sock.
    Asked(Channel, Ask),
    /// An inquiry has waited long enough.
    InquiryLate(u64),
}

/// Why the loop ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Somebody asked for it.
    Asked,
    /// The stack never came up; the reason has been shown.
    Failed,
}

/// The keeper's state.
pub(crate) struct Keeper {
    own: Own,
    console: Console,
    logs: Logs,
    members: BTreeMap<Peer, Member>,
    programs: BTreeMap<String, Running>,
    inquiries: BTreeMap<u64, Inquiry>,
    events: mpsc::UnboundedSender<Event>,
    inbox: mpsc::UnboundedReceiver<Event>,
    /// Numbers children and inquiries, so that late news of an old one is told from the new.
    count: u64,
    started: Instant,
    /// Whether the stack has been up once: from then on trouble is mended, not reported as failure.
    up: bool,
    /// What each child has done in its present life, for `davy status`.
    lines: Vec<(Peer, Line)>,
}

impl Keeper {
    /// A keeper of the children in `recipes`, none of them started yet.
    pub(crate) fn new(own: Own, console: Console, logs: Logs, recipes: Vec<Recipe>) -> Keeper {
        let (events, inbox) = mpsc::unbounded_channel();
        let members =
            recipes.into_iter().map(|recipe| (recipe.peer.clone(), Member::new(recipe))).collect();
        Keeper {
            own,
            console,
            logs,
            members,
            programs: BTreeMap::new(),
            inquiries: BTreeMap::new(),
            events,
            inbox,
            count: 0,
            started: Instant::now(),
            up: false,
            lines: Vec::new(),
        }
    }

    /// Runs the stack until somebody asks for its end, then stops it.
    pub(crate) async fn run(mut self, door: Door) -> anyhow::Result<Ending> {
        proc::own_orphans()?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let mut child = signal(SignalKind::child())?;
        let mut tick = tokio::time::interval(TICK);
        self.answer_at(door);
        self.start_all();
        let mut ending = None;
        while ending.is_none() {
            tokio::select! {
                event = self.inbox.recv() => if let Some(event) = event { ending = self.take(event) },
                _ = interrupt.recv() => ending = Some(Ending::Asked),
                _ = terminate.recv() => ending = Some(Ending::Asked),
                _ = hangup.recv() => ending = Some(Ending::Asked),
                _ = child.recv() => proc::reap_orphans(&self.pids()),
                _ = tick.tick() => self.console.tick(),
            }
        }
        let ending = ending.unwrap_or(Ending::Asked);
        self.stop(&ending, &mut interrupt).await;
        Ok(ending)
    }

    fn start_all(&mut self) {
        let at_once: Vec<Peer> = self
            .members
            .iter()
            .filter(|(_, member)| member.recipe.start == Start::AtOnce)
            .map(|(peer, _)| peer.clone())
            .collect();
        at_once.iter().for_each(|peer| self.start(peer));
    }

    fn take(&mut self, event: Event) -> Option<Ending> {
        match event {
            Event::Said(peer, life, message) if self.is_alive(&peer, life) => {
                return self.hear(&peer, message);
            }
            Event::Said(..) => {}
            Event::Ended(peer, life, exit) => self.bury(&peer, life, exit),
            Event::Restart(peer) => self.start(&peer),
            Event::ProgramEnded(name, exit) => self.bury_program(&name, exit),
            Event::RestartProgram(name) => self.start_program(&name),
            Event::Asked(caller, Ask::Status) => self.inquire(caller),
            Event::Asked(caller, Ask::Edge) => self.lead_to(&Peer::Edge, &caller),
            Event::Asked(caller, Ask::Site) => {
                let site = self.members.keys().find(|peer| matches!(peer, Peer::Site(_)));
                site.cloned().into_iter().for_each(|site| self.lead_to(&site, &caller));
            }
            Event::Asked(caller, Ask::Down) => {
                let _ = caller.try_send(&Reply::Stopping, &[]);
                return Some(Ending::Asked);
            }
            Event::InquiryLate(number) => self.close_inquiry(number),
        }
        None
    }

    fn hear(&mut self, peer: &Peer, message: ToKeeper) -> Option<Ending> {
        match message {
            ToKeeper::Ready => {
                self.up |= *peer == Peer::Edge;
                if let Some(member) = self.members.get_mut(peer) {
                    member.ready = true;
                }
            }
            ToKeeper::Say(line) => self.say(peer, line),
            ToKeeper::WantDatabase => self.want_database(peer),
            ToKeeper::Run(program) => self.run_program(peer, program),
            ToKeeper::Status(status) => self.note_status(peer, &status),
            ToKeeper::Failed { error } if !self.up => {
                self.console.complain(&error);
                self.logs.line(&format!("{}: {error}", name(peer)), Reach::File);
                return Some(Ending::Failed);
            }
            ToKeeper::Failed { error } => self.warn(peer, error),
        }
        None
    }

    /// Takes a line. Once the stack is up, what was done goes into the log only: a child that was
    /// started again says everything again.
    fn say(&mut self, peer: &Peer, line: Line) {
        if !self.up || line.state == LineState::Warning {
            self.console.show(&line);
        }
        if line.state != LineState::Doing {
            self.logs.line(&format!("{:<8} {}", line.label, line.text), Reach::File);
        }
        let told = self.lines.iter().filter(|(by, _)| by == peer).count();
        if matches!(line.state, LineState::Done { .. }) && told < LINES_MAX {
            self.lines.push((peer.clone(), line));
        }
    }

    fn warn(&mut self, peer: &Peer, text: String) {
        self.logs.line(&format!("{:<8} {text}", name(peer)), Reach::File);
        self.console.show(&Line { label: name(peer), text, state: LineState::Warning });
    }

    /// A site asks for the database: it is started if it does not run, and introduced if it does.
    fn want_database(&mut self, peer: &Peer) {
        let Some(db) = self.members.get_mut(&Peer::Db) else { return };
        if db.life.is_none() && !db.waiting {
            self.start(&Peer::Db);
        } else {
            self.introduce(peer, &Peer::Db);
        }
    }

    /// The database's keeper asks for its server: nobody else may have programs run.
    fn run_program(&mut self, peer: &Peer, program: Program) {
        if *peer == Peer::Db {
            self.take_program(program);
        }
    }

    /// Makes two living children known to each other.
    fn introduce(&mut self, one: &Peer, other: &Peer) {
        let (Some(first), Some(second)) = (self.channel(one), self.channel(other)) else { return };
        let Ok((left, right)) = Channel::descriptors() else {
            return self.warn(one, format!("could not be introduced to {}", name(other)));
        };
        // A child that can't take the message is about to be buried.
        let _ = first.try_send(&ToChild::Meet { peer: other.clone() }, &[left.as_fd()]);
        let _ = second.try_send(&ToChild::Meet { peer: one.clone() }, &[right.as_fd()]);
    }

    /// Makes a caller known to a child, if it lives; else the caller finds its channel closed.
    fn lead_to(&self, peer: &Peer, caller: &Channel) {
        let (Some(child), Ok((left, right))) = (self.channel(peer), Channel::descriptors()) else {
            return;
        };
        let _ = child.try_send(&ToChild::Meet { peer: Peer::Console }, &[left.as_fd()]);
        let _ = caller.try_send(&Reply::Channel, &[right.as_fd()]);
    }

    /// The processes that a task of ours waits for.
    fn pids(&self) -> Vec<u32> {
        let members = self.members.values().filter_map(|member| Some(member.life.as_ref()?.pid));
        let programs =
            self.programs.values().filter_map(|program| Some(program.life.as_ref()?.pid));
        members.chain(programs).collect()
    }

    fn number(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    /// Lets an event happen after a wait.
    fn later(&self, wait: Duration, event: Event) {
        let events = self.events.clone();
        tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            let _ = events.send(event);
        });
    }

    /// Lets the door's callers ask.
    fn answer_at(&self, door: Door) {
        let events = self.events.clone();
        tokio::spawn(async move {
            loop {
                let caller = match door.accept().await {
                    Ok(caller) => caller,
                    Err(error) => {
                        // Out of descriptors, most likely: that passes.
                        tracing::warn!(%error, "davy.sock can't accept");
                        tokio::time::sleep(ACCEPT_AGAIN).await;
                        continue;
                    }
                };
                let events = events.clone();
                tokio::spawn(async move {
                    let asked = tokio::time::timeout(ASK_TIME, caller.receive::<Ask>()).await;
                    if let Ok(Ok(Some((ask, _)))) = asked {
                        let _ = events.send(Event::Asked(caller, ask));
                    }
                });
            }
        });
    }
}

/// What a child is called in lines and logs.
pub(crate) fn name(peer: &Peer) -> String {
    match peer {
        Peer::Edge => "edge".into(),
        Peer::Db => "db".into(),
        Peer::Site(name) => format!("site {name}"),
        Peer::Console => "console".into(),
    }
}

/// A back-off and the count of what it was for.
#[derive(Debug, Default)]
struct Restarts {
    backoff: Backoff,
    count: u32,
}

/// What one child has to say for `davy status`.
const LINES_MAX: usize = 50;
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
const TICK: Duration = Duration::from_millis(200);
const ASK_TIME: Duration = Duration::from_secs(5);
