//! A request's way through the nine steps, with all that is known of it.

use std::net::SocketAddr;
use std::time::Duration;

use dns::{Answered, AskError};
use flow::{Mark, Stamp, Step};

use super::told::{Statement, Visited};
use super::visit::{Response, Target};

/// All that is known of a request.
#[derive(Debug)]
pub(crate) struct Journey {
    pub(crate) target: Target,
    pub(crate) stamps: Stamps,
    pub(crate) names: Names,
    /// davy's own listener.
    pub(crate) http: SocketAddr,
    pub(crate) response: Response,
    pub(crate) visited: Visited,
    pub(crate) statements: Vec<Statement>,
    /// Statements, of any request, that are not known.
    pub(crate) missed: u64,
}

/// The moments that the visitor saw.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamps {
    pub(crate) begun: Stamp,
    pub(crate) named: Stamp,
    pub(crate) connecting: Stamp,
    pub(crate) ended: Stamp,
}

/// What DNS said.
#[derive(Debug)]
pub(crate) struct Names {
    /// The server that was asked.
    pub(crate) server: SocketAddr,
    pub(crate) answered: Result<Answered, AskError>,
}

/// A part of the time: from when, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) from: Stamp,
    pub(crate) took: Duration,
}

/// What the most time went into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slowest {
    /// A step; `app` without its statements.
    Step(Step, Duration),
    /// All statements together.
    Statements(Duration),
}

impl Journey {
    /// From the question for the name to the last byte of the answer.
    pub(crate) fn total(&self) -> Duration {
        self.stamps.ended.since(self.stamps.begun)
    }

    /// The time of a step, if it was taken and took any.
    pub(crate) fn span(&self, step: Step) -> Option<Span> {
        let marks = &self.visited.marks;
        let between = |from: Stamp, to: Stamp| Span { from, took: to.since(from) };
        match step {
            Step::Browser | Step::Record => None,
            Step::Dns => Some(between(self.stamps.begun, self.stamps.named)),
            Step::Connect => Some(between(self.stamps.connecting, marks.at(Mark::Received)?)),
            // The hand-over there and back: what is drawn begins where the application ended.
            _ => Some(Span { from: marks.began(step)?, took: marks.took(step)? }),
        }
    }

    /// The time of a statement.
    pub(crate) fn span_of(statement: &Statement) -> Span {
        let query = &statement.query;
        Span { from: query.begun, took: query.ended.since(query.begun) }
    }

    /// The time of all statements.
    pub(crate) fn in_statements(&self) -> Duration {
        self.statements.iter().map(|statement| Journey::span_of(statement).took).sum()
    }

    /// What the most time went into.
    pub(crate) fn slowest(&self) -> Option<Slowest> {
        let database = self.in_statements();
        let own = |step| {
            let took = self.span(step)?.took;
            let took = if step == Step::App { took.saturating_sub(database) } else { took };
            Some((took, Slowest::Step(step, took)))
        };
        let steps = Step::ALL.into_iter().filter_map(own);
        let all = steps.chain([(database, Slowest::Statements(database))]);
        all.max_by_key(|(took, _)| *took).map(|(_, slowest)| slowest)
    }
}
