//! Rounds: each contender once in each, in another order every time.

use anyhow::{Context as _, Result};

use super::contender::{Contender, Running};
use super::database::{self, Database};
use super::layout::Layout;
use super::load::Load;
use super::place::Place;
use super::{cpu, stats};

/// How long, and how often.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) seconds: u64,
    pub(crate) rounds: usize,
}

/// What one contender did in one round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// Requests in a second.
    pub(crate) rate: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    /// CPU time per request: all processes but the database, and the database.
    pub(crate) servers_us: f64,
    pub(crate) database_us: f64,
}

/// What one contender did in all rounds.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) name: &'static str,
    pub(crate) samples: Vec<Sample>,
}

impl Series {
    /// The median of a figure.
    pub(crate) fn median(&self, figure: impl Fn(&Sample) -> f64) -> f64 {
        stats::median(self.samples.iter().map(figure))
    }

    /// CPU time per request, the database's included, in each round.
    pub(crate) fn cpu_us(&self) -> Vec<f64> {
        self.samples.iter().map(|sample| sample.servers_us + sample.database_us).collect()
    }
}

/// Starts them all, lets them take turns, and stops them.
pub(crate) fn run(
    contenders: &[Contender],
    place: &Place,
    layout: Layout,
    plan: Plan,
) -> Result<Vec<Series>> {
    let running = start(contenders, place, layout)?;
    for contender in &running {
        measure(contender, layout, WARM_UP_SECONDS)?;
    }
    let names = running.iter().map(|running| running.contender.name);
    let mut all: Vec<Series> = names.map(|name| Series { name, samples: Vec::new() }).collect();
    let indices: Vec<usize> = (0..running.len()).collect();
    for round in 0..plan.rounds {
        for at in stats::rotated(&indices, round) {
            all[at].samples.push(measure(&running[at], layout, plan.seconds)?);
        }
    }
    Ok(all)
}

/// Starts those that this davy can be.
fn start(contenders: &[Contender], place: &Place, layout: Layout) -> Result<Vec<Running>> {
    let mut running = Vec::new();
    let mut shared: Option<Database> = None;
    for contender in contenders {
        if let Some(refusal) = contender.refusal(place)? {
            println!("skipped: {}: davy does not know it: {refusal}", contender.name);
            continue;
        }
        let started = contender.start(place, layout, shared.as_ref())?;
        if contender.brings_database() && shared.is_none() {
            shared = Some(database::of(&started.roots())?);
        }
        running.push(started);
    }
    Ok(running)
}

/// One load. Every answer is looked at: the first and the last as a whole, all by their status and
/// by the bytes they were together.
fn measure(running: &Running, layout: Layout, seconds: u64) -> Result<Sample> {
    let name = running.contender.name;
    let bytes = running.check()?;
    let roots = running.roots();
    let before = cpu::used(&roots)?;
    let load = Load::run(running.address, running.contender.site.path(), layout, seconds)?;
    let used = cpu::used(&roots)?.since(before);
    load.check(bytes).context(name)?;
    running.check()?;
    let each_us = |time: std::time::Duration| time.as_secs_f64() * 1e6 / load.requests as f64;
    Ok(Sample {
        rate: load.rate(),
        p50_ms: load.p50_us as f64 / 1e3,
        p99_ms: load.p99_us as f64 / 1e3,
        servers_us: each_us(used.servers),
        database_us: each_us(used.database),
    })
}

const WARM_UP_SECONDS: u64 = 2;
