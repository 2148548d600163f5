//! `davy ps`: a site's workers, each with what it does. Two processes know of them: the site started
//! them, and the edge hands them their requests; here both are put together, by the process ids.

use std::process::ExitCode;

use anyhow::bail;
use flow::Stamp;
use serde_json::{Value, json};

use crate::cli;
use crate::console::put;
use crate::control::{Ask, NOT_RUNNING, Reply, ask};
use crate::place::{Place, Surroundings};

/// Exit code 0 when davy runs in the folder, 3 when it does not.
pub(crate) fn ps(options: &cli::Ps) -> anyhow::Result<ExitCode> {
    let place = Place::of(&options.folder, &Surroundings::read())?;
    let Some(reply) = ask(&place, Ask::Status)? else {
        if options.json {
            put("{\"sites\":[]}\n");
        } else {
            put(&format!("davy does not run in {}\n", place.project.display()));
        }
        return Ok(ExitCode::from(NOT_RUNNING));
    };
    let Reply::Status(status) = reply else { bail!("the keeper answered something else") };
    let sites = sites(&status, Stamp::now());
    if options.json {
        put(&format!("{:#}\n", json!({ "sites": sites })));
    } else {
        put(&sites.iter().map(describe).collect::<String>());
    }
    Ok(ExitCode::SUCCESS)
}

/// The sites of a status, each with its queue and its workers.
fn sites(status: &Value, now: Stamp) -> Vec<Value> {
    let children = || status["children"].as_array().into_iter().flatten();
    let edge = children().find(|child| child["name"] == "edge");
    let queues = edge.map_or(&Value::Null, |edge| &edge["status"]);
    children()
        .filter_map(|child| {
            let name = child["name"].as_str()?.strip_prefix("site ")?;
            Some(site(name, &child["status"], &queues[name], now))
        })
        .collect()
}

fn site(name: &str, told: &Value, queue: &Value, now: Stamp) -> Value {
    let of = |pid: &Value| {
        let mut each = queue["workers"].as_array().into_iter().flatten();
        each.find(|worker| worker["pid"] == *pid && !pid.is_null()).unwrap_or(&Value::Null)
    };
    let workers = told["workers"].as_array().into_iter().flatten().map(|worker| {
        let at_queue = of(&worker["pid"]);
        let started = worker["started"].as_u64().map(Stamp);
        json!({
            "worker": worker["worker"],
            "pid": worker["pid"],
            "state": worker["state"],
            "served": at_queue["served"],
            "busy_ms": at_queue["busy_ms"],
            "memory": worker["memory"],
            "age_s": started.map(|started| now.since(started).as_secs()),
            "restarts": worker["restarts"],
        })
    });
    let counts = ["waiting", "running", "busy", "handed", "repeated", "expired", "waits"];
    let queue = counts.iter().map(|name| ((*name).to_owned(), queue[*name].clone()));
    json!({
        "name": name,
        "wanted": told["wanted"],
        "restarts": told["restarts"],
        "queue": queue.collect::<serde_json::Map<_, _>>(),
        "workers": workers.collect::<Vec<_>>(),
    })
}

/// A line for the site, one for the names of the columns, and one for each worker.
fn describe(site: &Value) -> String {
    let workers = site["workers"].as_array().map_or(&[][..], Vec::as_slice);
    let ready = workers.iter().filter(|worker| worker["state"] == "ready").count();
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    let mut text = format!(
        "{}  {ready} of {} workers ready, {} busy, {} waiting\n",
        site["name"].as_str().unwrap_or_default(),
        number(&site["wanted"]),
        number(&site["queue"]["busy"]),
        number(&site["queue"]["waiting"]),
    );
    let restarts = site["restarts"].as_object().into_iter().flatten();
    let restarts: Vec<String> =
        restarts.map(|(reason, count)| format!("{} {count}", reason.replace('_', " "))).collect();
    if !restarts.is_empty() {
        text += &format!("replaced: {}\n", restarts.join(", "));
    }
    if !workers.is_empty() {
        text += &line(["worker", "pid", "state", "served", "busy", "memory", "age", "restarts"]);
    }
    workers.iter().map(worker).fold(text, |text, line| text + &line)
}

fn worker(worker: &Value) -> String {
    let shown = |name: &str, show: fn(u64) -> String| {
        worker[name].as_u64().map_or_else(|| "-".to_owned(), show)
    };
    let plain = |name| shown(name, |number| number.to_string());
    line([
        &plain("worker"),
        &plain("pid"),
        worker["state"].as_str().unwrap_or("-"),
        &plain("served"),
        &shown("busy_ms", |ms| format!("{:.1} s", ms as f64 / 1e3)),
        &shown("memory", |bytes| format!("{:.1} MiB", bytes as f64 / 1_048_576.0)),
        &shown("age_s", age),
        &plain("restarts"),
    ])
}

/// `59 s`, `12 min`, `26 h`.
fn age(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

/// The columns of a line.
fn line([worker, pid, state, served, busy, memory, age, restarts]: [&str; 8]) -> String {
    format!(
        "{worker:>6}  {pid:>8}  {state:<8}  {served:>8}  {busy:>8}  {memory:>10}  {age:>7}  \
         {restarts:>8}\n"
    )
}

#[cfg(test)]
mod tests;
