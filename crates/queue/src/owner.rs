//! The task that owns a site's queue: it waits for jobs, workers and time, asks the policy, and acts.

mod servers;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use flow::control::{AtWork, Buffering, FromEdge, Upstream};
use flow::{Body, Failure, Job, Mark, Request, Stamp, Step};
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE};
use http::{Method, StatusCode};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::dispatch::{Action, Dispatch, Event, Handing, JobKey, Refusal};
use crate::http::{Outcome, Socket};
use crate::link::{LinkError, News, Upload};
use crate::spool::{ReceiveError, Received, Spool};
use crate::stream::{Origin, Outlet, Repeat, Ticket};
use crate::wire::{Address, Wire};
use servers::Servers;
pub(crate) use servers::replaced;

use crate::{Activity, Settings, Status, WorkerStatus, variables};

/// What the owner is told from outside its loop.
#[derive(Debug)]
pub(crate) enum Command {
    Reload(Upstream),
    Connected(Address, UnixStream),
    /// A server that speaks HTTP was tried.
    Reached(usize, io::Result<Socket>),
    /// Such a server is done with a request.
    Served {
        worker: usize,
        job: JobKey,
        outcome: Outcome,
    },
    /// Such a server has begun to answer.
    Answering(usize, JobKey),
    /// A request all of whose content is here now; None: it will not come.
    Received(Option<Box<Job>>),
    Content {
        link: usize,
        stream: u32,
        piece: Piece,
    },
    Drain(oneshot::Sender<()>),
    Status(oneshot::Sender<Status>),
    Notify(mpsc::Sender<FromEdge>),
}

/// Who is told what becomes of the queue.
pub(crate) struct Outside {
    pub(crate) connected: watch::Sender<usize>,
    pub(crate) activity: watch::Sender<Activity>,
    pub(crate) site: Option<mpsc::Sender<FromEdge>>,
}

/// The next of a request's content.
#[derive(Debug)]
pub(crate) enum Piece {
    Bytes(Bytes),
    End,
    Failed(String),
}

/// In what form the heads of requests wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// In both: the site has not said yet what it needs.
    Unknown,
    /// As the variables that workers and PHP are told of.
    Variables,
    /// As they came, for servers that speak HTTP.
    Head,
}

/// Where the link to a listed socket stands.
enum Place {
    Connecting(AbortHandle),
    Linked(usize),
}

pub(crate) struct Owner {
    settings: Settings,
    dispatch: Dispatch,
    /// Requests that no worker has.
    jobs: HashMap<JobKey, Ticket>,
    next_job: JobKey,
    /// By a number that is never used again, so that late content can't reach another link.
    links: BTreeMap<usize, Wire>,
    next_link: usize,
    places: HashMap<Address, Place>,
    form: Form,
    servers: Servers,
    actions: Vec<Action>,
    outlet: Outlet,
    spool: Spool,
    /// Uploads that are taken in before their requests wait for a worker.
    receiving: usize,
    outside: Outside,
    commands: mpsc::WeakUnboundedSender<Command>,
    draining: Option<oneshot::Sender<()>>,
    handed: u64,
    ended: u64,
    recalled: u64,
    repeated: u64,
    expired: u64,
    /// Requests have come back that the policy may hand out again.
    returned: bool,
    left: Left,
}

/// What becomes of a request whose visitor leaves before a worker has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// It is forgotten.
    Forgotten,
    /// If it changes something it is run all the same: PHP applications send requests to themselves,
    /// such as WordPress's cron, and do not wait for an answer.
    PostsRun,
}

impl Owner {
    pub(crate) fn new(
        settings: Settings,
        outside: Outside,
        commands: mpsc::WeakUnboundedSender<Command>,
    ) -> Owner {
        let spool = Spool::new(settings.spool.clone(), settings.spool_bytes_max);
        Owner {
            dispatch: Dispatch::new(settings.clone()),
            settings,
            jobs: HashMap::new(),
            next_job: 0,
            links: BTreeMap::new(),
            next_link: 0,
            places: HashMap::new(),
            form: Form::Unknown,
            servers: Servers::default(),
            actions: Vec::new(),
            outlet: Outlet::new(Some(spool.clone())),
            spool,
            receiving: 0,
            outside,
            commands,
            draining: None,
            handed: 0,
            ended: 0,
            recalled: 0,
            repeated: 0,
            expired: 0,
            returned: false,
            left: Left::Forgotten,
        }
    }

    /// The loop. Each turn takes a batch of whatever is there, then acts, then writes.
    pub(crate) async fn run(
        mut self,
        mut jobs: mpsc::Receiver<Job>,
        mut inbox: mpsc::UnboundedReceiver<Command>,
    ) {
        let mut batch = Vec::with_capacity(BATCH);
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut recall, mut armed) = (pin!(tokio::time::sleep(Duration::ZERO)), false);
        let wake = self.outlet.wake.clone();
        let (mut open, mut handles, mut ticked) = (true, true, false);
        while open || handles || self.busy() {
            let busy = self.busy() || self.servers.keep_any();
            tokio::select! {
                () = std::future::poll_fn(|context| {
                    let ready = self.links.values().any(|link| link.poll_ready(context).is_ready());
                    if ready { Poll::Ready(()) } else { Poll::Pending }
                }) => {}
                taken = jobs.recv_many(&mut batch, BATCH), if open => open = taken > 0,
                command = inbox.recv(), if handles => match command {
                    Some(Command::Drain(done)) => {
                        jobs.close();
                        self.draining = Some(done);
                    }
                    Some(command) => self.obey(command),
                    None => handles = false,
                },
                () = wake.notified() => {}
                _ = tick.tick(), if busy => {
                    self.forget_gone();
                    self.servers.sweep();
                    ticked = true;
                }
                () = recall.as_mut(), if armed => {
                    armed = false;
                    ticked = true;
                }
            }
            // Links first: a worker whose end is known gets no request, and none that has ended counts
            // as slow.
            self.read_links();
            if std::mem::take(&mut ticked) {
                self.step(Event::Tick);
            }
            batch.drain(..).for_each(|job| self.arrive(job));
            self.act_and_flush();
            self.tell_activity();
            // Set once until it rings, at most so often: a later end of the wait is seen then.
            if !armed && let Some(at) = self.dispatch.next_recall() {
                armed = true;
                recall.as_mut().reset(Instant::now() + at.since(Stamp::now()));
            }
            if self.draining.is_some() && !open && !self.busy() {
                break;
            }
        }
        if let Some(done) = self.draining.take() {
            let _ = done.send(());
        }
    }

    fn busy(&self) -> bool {
        !self.jobs.is_empty() || self.running() > 0 || self.receiving > 0
    }

    fn running(&self) -> usize {
        self.links.values().map(Wire::running).sum::<usize>() + self.servers.running()
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Reload(upstream) => self.reload(upstream),
            Command::Reached(key, reached) => self.tried(key, reached),
            Command::Served { worker, job, outcome } => self.served(worker, job, outcome),
            Command::Answering(worker, job) => self.step(Event::Answering(worker, job)),
            Command::Received(job) => {
                self.receiving -= 1;
                job.into_iter().for_each(|job| self.admit(*job));
            }
            Command::Connected(address, socket) => {
                // A connection that came too late for a list it no longer stands in is dropped.
                if let Some(place) = self.places.get_mut(&address) {
                    *place = Place::Linked(self.next_link);
                    let link = Wire::new(&address, socket, &self.settings);
                    self.links.insert(self.next_link, link);
                    self.next_link += 1;
                }
            }
            Command::Content { link, stream, piece } => self.pass_content(link, stream, piece),
            Command::Status(reply) => drop(reply.send(self.status())),
            Command::Notify(site) => self.outside.site = Some(site),
            Command::Drain(_) => {}
        }
    }

    fn reload(&mut self, upstream: Upstream) {
        self.left = Left::Forgotten;
        self.form = Form::Variables;
        let (mut buffering, mut addresses, mut reached) = Default::default();
        match upstream {
            Upstream::Frames { sockets, buffering: asked } => {
                addresses = sockets.into_iter().map(Address::Frames).collect();
                buffering = asked;
            }
            Upstream::FastCgi { socket, connections, upload_bytes_max } => {
                let address = |number| Address::FastCgi(socket.clone(), number, upload_bytes_max);
                addresses = (0..connections).map(address).collect();
                self.left = Left::PostsRun;
            }
            Upstream::Http { servers } => {
                self.form = Form::Head;
                (buffering, reached) = (Buffering::Streamed, servers);
            }
        }
        let whole = buffering == Buffering::Whole;
        self.outlet.spool = whole.then(|| self.spool.clone());
        self.list(addresses);
        self.list_servers(reached);
    }

    fn status(&self) -> Status {
        let each = self.links.iter().filter(|(_, link)| link.greeted());
        let each = each.map(|(key, link)| WorkerStatus {
            pid: link.pid(),
            served: link.served(),
            running: link.running(),
            busy_since: self.dispatch.busy_since(*key),
        });
        Status {
            workers: *self.outside.connected.borrow(),
            waiting: self.dispatch.waiting(),
            running: self.running(),
            handed: self.handed,
            ahead: self.dispatch.written_ahead(),
            recalled: self.recalled,
            repeated: self.repeated,
            expired: self.expired,
            waits: self.dispatch.waits(),
            each: each.collect(),
        }
    }

    fn tell_activity(&self) {
        let activity = Activity { demand: self.dispatch.demand(Stamp::now()), ended: self.ended };
        self.outside.activity.send_if_modified(|told| {
            let news = *told != activity;
            *told = activity;
            news
        });
    }

    /// Takes on a new list of sockets.
    fn list(&mut self, addresses: Vec<Address>) {
        let mut old = std::mem::take(&mut self.places);
        for address in addresses {
            let place = old
                .remove(&address)
                .unwrap_or_else(|| self.connect(address.clone(), Duration::ZERO));
            self.places.insert(address, place);
        }
        for place in old.into_values() {
            match place {
                Place::Connecting(task) => task.abort(),
                Place::Linked(key) => {
                    if let Some(link) = self.links.get_mut(&key) {
                        link.leave();
                    }
                    self.step(Event::Leaving(key));
                }
            }
        }
    }

    /// Connects to a socket, after a wait, and again until it succeeds or the socket is unlisted.
    fn connect(&self, address: Address, wait: Duration) -> Place {
        let commands = self.commands.clone();
        let task = tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            let mut again = RECONNECT_MIN;
            loop {
                match UnixStream::connect(address.path()).await {
                    Ok(socket) => {
                        if let Some(commands) = commands.upgrade() {
                            let _ = commands.send(Command::Connected(address, socket));
                        }
                        return;
                    }
                    Err(error) => {
                        let path = address.path().display();
                        tracing::debug!(%path, %error, "worker not reached");
                        tokio::time::sleep(again).await;
                        again = (again * 2).min(RECONNECT_MAX);
                    }
                }
            }
        });
        Place::Connecting(task.abort_handle())
    }

    fn arrive(&mut self, job: Job) {
        job.request.trace.mark(Mark::Queued, Stamp::now());
        // What an upgraded connection carries comes after the answer.
        let upgrades = job.request.head.headers.contains_key(UPGRADE);
        match (&job.request.body, &self.outlet.spool, self.commands.upgrade()) {
            (Body::Stream(_), Some(spool), Some(commands)) if !upgrades => {
                if self.receiving >= self.settings.waiting_max {
                    return drop(job.reply.send(Err(self.refusal(Refusal::Full))));
                }
                self.receiving += 1;
                let spool = spool.clone();
                tokio::spawn(async move {
                    let _ = commands.send(Command::Received(receive(spool, job).await));
                });
            }
            _ => self.admit(job),
        }
    }

    /// Lets a request wait for a worker.
    fn admit(&mut self, job: Job) {
        let now = Stamp::now();
        let Job { request, reply } = job;
        let variables = match self.form {
            Form::Head => Bytes::new(),
            Form::Unknown | Form::Variables => match variables::encode(&request) {
                Ok(variables) => variables,
                Err(failure) => return drop(reply.send(Err(failure))),
            },
        };
        let repeatable = matches!(request.head.method, Method::GET | Method::HEAD);
        let handing = match request.body {
            Body::Empty if repeatable && self.form != Form::Head => Handing::Ahead(variables.len()),
            _ => Handing::Once,
        };
        let (job, repeat) = (self.next_job, repeat(&request));
        self.next_job += 1;
        let Request { head, body, client, trace, .. } = request;
        let origin = (self.form != Form::Variables).then(|| Box::new(Origin { head, client }));
        let ticket = Ticket { job, handing, reply, trace, variables, origin, body, repeat };
        self.jobs.insert(job, ticket);
        self.dispatch.step(now, Event::Arrived(job, handing), &mut self.actions);
    }

    /// Requests that nobody waits for any more go.
    fn forget_gone(&mut self) {
        let gone = self.jobs.iter().filter(|(_, ticket)| self.is_forgotten(ticket));
        let left: Vec<JobKey> = gone.map(|(job, _)| *job).collect();
        // One of them may be handed out meanwhile: its ticket stays until all have left.
        left.iter().for_each(|job| self.step(Event::Left(*job)));
        left.iter().for_each(|job| drop(self.jobs.remove(job)));
    }

    /// Whether nobody waits for the request, and it need not be run.
    fn is_forgotten(&self, ticket: &Ticket) -> bool {
        let runs = self.left == Left::PostsRun && ticket.handing == Handing::Once;
        ticket.reply.is_closed() && !runs
    }

    fn step(&mut self, event: Event) {
        self.dispatch.step(Stamp::now(), event, &mut self.actions);
    }

    fn read_links(&mut self) {
        let mut read = Vec::new();
        for (key, link) in &mut self.links {
            let mut news = Vec::new();
            let end = link.read(&self.outlet, &mut news);
            read.push((*key, news, end));
        }
        for (key, news, end) in read {
            news.into_iter().for_each(|news| self.hear(key, news));
            if let Err(error) = end {
                self.unlink(key, &error);
            }
        }
    }

    fn hear(&mut self, key: usize, news: News) {
        match news {
            News::Greeted(concurrency) => {
                self.count_connected();
                if self.links.get(&key).is_some_and(|link| !link.is_leaving()) {
                    self.step(Event::Up(key, concurrency));
                }
            }
            News::Answering(job) => self.step(Event::Answering(key, job)),
            News::Ended(job, took) => {
                self.ended += 1;
                self.step(Event::Ended(key, job, took));
            }
            News::Leaving(tickets) => {
                self.step(Event::Leaving(key));
                tickets.into_iter().for_each(|ticket| self.take_back(ticket));
            }
        }
    }

    /// A request that a worker has not begun waits again, where it was.
    fn take_back(&mut self, ticket: Ticket) {
        let (job, handing) = (ticket.job, ticket.handing);
        self.jobs.insert(job, ticket);
        self.step(Event::Returned(job, handing));
        self.returned = true;
    }

    /// Takes a request back that was written ahead to a worker.
    fn recall(&mut self, job: JobKey, worker: usize) {
        let link = self.links.get_mut(&worker);
        if let Some(ticket) = link.and_then(|link| link.recall(job)) {
            self.recalled += 1;
            self.take_back(ticket);
        }
    }

    /// A link has ended: what it was at fails, what waited behind goes elsewhere, and a socket that
    /// is still listed is tried again.
    fn unlink(&mut self, key: usize, error: &LinkError) {
        let Some(mut link) = self.links.remove(&key) else { return };
        self.step(Event::Leaving(key));
        let unbegun = link.take_unbegun(&self.dispatch.behind(key));
        unbegun.into_iter().for_each(|ticket| self.take_back(ticket));
        let repeatable = link.take_repeatable();
        self.repeated += repeatable.len() as u64;
        repeatable.into_iter().for_each(|ticket| self.take_back(ticket));
        self.step(Event::Down(key));
        self.count_connected();
        let wait = if link.returns_at_once() { Duration::ZERO } else { RECONNECT_MIN };
        let pid = link.pid();
        let failed = link.close(error, &self.outlet);
        if failed > 0 {
            tracing::warn!(pid, failed, %error, "a worker went away with requests in hand");
        }
        let listed = self.places.iter().find_map(|(address, place)| match place {
            Place::Linked(linked) if *linked == key => Some(address.clone()),
            _ => None,
        });
        if let Some(address) = listed {
            let place = self.connect(address.clone(), wait);
            self.places.insert(address, place);
        }
    }

    /// A link may end with the very bytes it greeted in, so that news of it never came: the links
    /// themselves are counted.
    fn count_connected(&self) {
        let links = self.links.values().filter(|link| link.greeted()).count();
        let count = links + self.servers.up();
        self.outside
            .connected
            .send_if_modified(|connected| std::mem::replace(connected, count) != count);
    }

    /// A link that breaks while being written to makes new work for the policy.
    fn act_and_flush(&mut self) {
        loop {
            self.act();
            self.settle_and_flush();
            if self.actions.is_empty() && !self.returned {
                return;
            }
        }
    }

    /// Does what the policy asked for, until it asks for nothing more.
    fn act(&mut self) {
        while !self.actions.is_empty() || self.returned {
            // What returned, all of it, may be handed out now.
            if std::mem::take(&mut self.returned) {
                self.step(Event::Tick);
            }
            for action in std::mem::take(&mut self.actions) {
                match action {
                    Action::Hand(job, worker) => self.hand(job, worker),
                    Action::Recall(job, worker) => self.recall(job, worker),
                    Action::Refuse(job, refusal) => {
                        if let Some(ticket) = self.jobs.remove(&job) {
                            let _ = ticket.reply.send(Err(self.refusal(refusal)));
                        }
                    }
                    Action::Slow(job, worker) => self.notice(job, worker, FromEdge::Slow),
                    Action::Expire(job, worker) => self.expire(job, worker),
                    Action::Abandon(job, worker) => self.notice(job, worker, FromEdge::Stuck),
                    Action::Kill(job, worker) => {
                        self.notice(job, worker, FromEdge::Stuck);
                        self.unlink(worker, &LinkError::Stuck);
                    }
                }
            }
        }
    }

    fn hand(&mut self, job: JobKey, worker: usize) {
        let ticket = self.jobs.remove(&job).filter(|ticket| !self.is_forgotten(ticket));
        // Nobody waits for it any more, and the worker has not heard of it.
        let Some(ticket) = ticket else { return self.step(Event::Ended(worker, job, None)) };
        let Some(ticket) = self.exchange(ticket, worker) else { return };
        // The worker may have gone away since the policy chose it.
        let Some(link) = self.links.get_mut(&worker).filter(|link| !link.is_leaving()) else {
            return self.take_back(ticket);
        };
        if ticket.variables.is_empty() {
            self.step(Event::Ended(worker, job, None));
            return drop(ticket.reply.send(Err(replaced())));
        }
        ticket.trace.mark(Mark::Handed, Stamp::now());
        self.handed += 1;
        if let Some(upload) = link.hand(ticket) {
            self.upload(worker, upload);
        }
    }

    /// Tells the site of a worker that takes long for a request.
    fn notice(&self, job: JobKey, worker: usize, notice: fn(AtWork) -> FromEdge) {
        let link = self.links.get(&worker);
        let Some((link, (request, line))) = link.and_then(|it| Some((it, it.request(job)?))) else {
            return;
        };
        let since = self.dispatch.busy_since(worker).unwrap_or_default();
        let (request, taken) = (request.to_string(), Stamp::now().since(since));
        let others = link.running().saturating_sub(1);
        let notice = notice(AtWork { pid: link.pid(), taken, request, line, others });
        if let Some(site) = &self.outside.site {
            // There is room for one of each request that runs: a site that has gone is no loss, as
            // its workers go too.
            let _ = site.try_send(notice);
        }
    }

    /// Answers a request in the place of a worker that is too late with it.
    fn expire(&mut self, job: JobKey, worker: usize) {
        let limit = self.settings.request_max.as_secs_f32();
        let failure = |who: String| {
            let cause = format!("{who} had not begun its answer after {limit} s");
            Failure::new(Step::App, StatusCode::GATEWAY_TIMEOUT, cause)
        };
        if let Some(link) = self.links.get_mut(&worker) {
            self.expired += 1;
            link.expire(job, failure(format!("worker {}", link.pid())));
        } else if self.servers.expire(job, failure("the upstream".into())) {
            self.expired += 1;
        }
    }

    fn refusal(&self, refusal: Refusal) -> Failure {
        if let (Refusal::Late, Some(unreached)) = (refusal, self.servers.unreached()) {
            return Failure::new(Step::App, StatusCode::BAD_GATEWAY, unreached);
        }
        let cause = match refusal {
            Refusal::Full => format!("{} requests wait already", self.settings.waiting_max),
            Refusal::Late => {
                format!("no worker was free for {} s", self.settings.wait_max.as_secs())
            }
        };
        let mut failure = Failure::new(Step::Queue, StatusCode::SERVICE_UNAVAILABLE, cause);
        failure.retry_after = Some(RETRY_AFTER);
        failure
    }

    /// Sends a request's content on as the visitor sends it and the worker gives credit.
    fn upload(&self, link: usize, upload: Upload) {
        let Some(commands) = self.commands.upgrade() else { return };
        let Upload { stream, mut body, credit } = upload;
        tokio::spawn(async move {
            let tell = |piece| commands.send(Command::Content { link, stream, piece });
            while let Some(next) = body.next().await {
                let mut bytes = match next {
                    Ok(bytes) => bytes,
                    Err(error) => return drop(tell(Piece::Failed(error.to_string()))),
                };
                while !bytes.is_empty() {
                    let portion = bytes.split_to(bytes.len().min(PIECE_BYTES_MAX));
                    let permits = u32::try_from(portion.len()).unwrap_or(u32::MAX);
                    // Closed with the stream: nobody wants the rest.
                    let Ok(permit) = credit.acquire_many(permits).await else { return };
                    permit.forget();
                    let _ = tell(Piece::Bytes(portion));
                }
            }
            let _ = tell(Piece::End);
        });
    }

    fn pass_content(&mut self, link: usize, stream: u32, piece: Piece) {
        let Some(link) = self.links.get_mut(&link) else { return };
        match piece {
            Piece::Bytes(bytes) => link.send_content(stream, bytes),
            Piece::End => link.end_content(stream),
            Piece::Failed(reason) => link.abort(stream, &reason),
        }
    }

    /// Grants credit and writes; links that are done or broken are taken down.
    fn settle_and_flush(&mut self) {
        let mut ended = Vec::new();
        for (key, link) in &mut self.links {
            link.settle();
            if let Err(error) = link.flush() {
                ended.push((*key, error));
            } else if link.is_leaving() && link.running() == 0 {
                ended.push((*key, LinkError::Unlisted));
            }
        }
        ended.iter().for_each(|(key, error)| self.unlink(*key, error));
    }
}

/// Takes a request's content in, unless the visitor goes away meanwhile. Its length is known then.
async fn receive(spool: Spool, job: Job) -> Option<Box<Job>> {
    let Job { mut request, mut reply } = job;
    let body = std::mem::take(&mut request.body);
    let received = tokio::select! {
        biased;
        // All of it may be there already, though its sender has gone.
        received = spool.receive(body) => received,
        () = reply.closed() => return None,
    };
    match received {
        Ok(Received { body, bytes }) => {
            request.body = body;
            request.head.headers.remove(TRANSFER_ENCODING);
            request.head.headers.insert(CONTENT_LENGTH, bytes.into());
            Some(Box::new(Job { request, reply }))
        }
        Err(error) => {
            let (step, status, retry_after) = match error {
                ReceiveError::Client(_) => (Step::Web, StatusCode::BAD_REQUEST, None),
                ReceiveError::Full(_) => {
                    (Step::Queue, StatusCode::SERVICE_UNAVAILABLE, Some(RETRY_AFTER))
                }
            };
            let failure = Failure { retry_after, ..Failure::new(step, status, error.to_string()) };
            let _ = reply.send(Err(failure));
            None
        }
    }
}

/// Safe methods may run again (RFC 9110 §9.2.1, §9.2.2). PUT and DELETE are idempotent too, but what
/// they answer the second time (404 for what the first has deleted) would mislead.
fn repeat(request: &flow::Request) -> Repeat {
    let safe = matches!(request.head.method, Method::GET | Method::HEAD | Method::OPTIONS);
    if safe && matches!(request.body, Body::Empty) { Repeat::Once } else { Repeat::Never }
}

const BATCH: usize = 64;
const TICK: Duration = Duration::from_millis(100);
const RECONNECT_MIN: Duration = Duration::from_millis(20);
const RECONNECT_MAX: Duration = Duration::from_secs(1);
const RETRY_AFTER: Duration = Duration::from_secs(1);
const PIECE_BYTES_MAX: usize = 16 * 1024;

#[cfg(test)]
pub(crate) mod tests;
