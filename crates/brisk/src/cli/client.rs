//! `brisk jobs`, `cancel`, `savepoint`, `checkpoints`, `submit`: what they ask of a running server, and how it is shown.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use serde_json::Value;

use super::http::request;
use super::run::read_script;

/// Where the server is.
#[derive(Args)]
pub struct Endpoint {
    /// The address of the server.
    #[arg(long, env = "BRISK_ENDPOINT", default_value = "http://127.0.0.1:8080", value_name = "URL")]
    endpoint: String,
}

#[derive(Args)]
pub struct JobsArgs {
    #[command(flatten)]
    endpoint: Endpoint,
    /// Print the server's JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub struct JobArgs {
    /// The job's id, as `brisk jobs` shows it.
    job: String,
    #[command(flatten)]
    endpoint: Endpoint,
}

#[derive(Args)]
pub struct SavepointArgs {
    #[command(flatten)]
    job: JobArgs,
    /// Where the savepoint goes; by default into the server's data directory.
    #[arg(long, value_name = "DIR")]
    path: Option<String>,
    /// End the job there.
    #[arg(long)]
    stop: bool,
}

#[derive(Args)]
pub struct SubmitArgs {
    /// The script, or - for standard input.
    script: PathBuf,
    /// Its name on the server; by default the file's.
    #[arg(long)]
    name: Option<String>,
    /// Sets a script variable, written `${NAME}` in the script.
    #[arg(long = "var", value_name = "NAME=VALUE")]
    variables: Vec<String>,
    /// Take the place of the script of this name; its jobs keep their state where it fits.
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    endpoint: Endpoint,
}

pub fn jobs(args: JobsArgs) -> anyhow::Result<()> {
    let answer = request(&args.endpoint.endpoint, "GET", "/api/jobs", None)?;
    if args.json {
        println!("{answer:#}");
        return Ok(());
    }
    let jobs = answer["jobs"].as_array().context("the server's answer has no jobs")?;
    let header = ["JOB", "STATE", "READ", "WRITTEN", "LATE", "BAD", "RESTARTS", "CHECKPOINT"].map(str::to_owned);
    let mut rows = vec![header.to_vec()];
    rows.extend(jobs.iter().map(job_row));
    print_columns(&rows);
    for job in jobs {
        if let Some(error) = job["error"].as_str() {
            println!("{}: {error}", text(&job["id"]));
        }
    }
    Ok(())
}

pub fn cancel(args: JobArgs) -> anyhow::Result<()> {
    let answer = request(&args.endpoint.endpoint, "POST", &format!("/api/jobs/{}/cancel", args.job), Some("{}"))?;
    println!("{} {}", text(&answer["id"]), text(&answer["state"]));
    Ok(())
}

pub fn savepoint(args: SavepointArgs) -> anyhow::Result<()> {
    let body = serde_json::json!({ "path": args.path, "stop": args.stop }).to_string();
    let answer = request(&args.job.endpoint.endpoint, "POST", &format!("/api/jobs/{}/savepoint", args.job.job), Some(&body))?;
    println!("{}", text(&answer["path"]));
    Ok(())
}

pub fn checkpoints(args: JobArgs) -> anyhow::Result<()> {
    let answer = request(&args.endpoint.endpoint, "GET", &format!("/api/jobs/{}/checkpoints", args.job), None)?;
    let mut rows = vec![["ID", "MS", "BYTES", "PATH"].map(str::to_owned).to_vec()];
    for c in answer["checkpoints"].as_array().into_iter().flatten() {
        let result = c["failure"].as_str().map_or_else(|| text(&c["path"]), |why| format!("failed: {why}"));
        rows.push(vec![text(&c["id"]), text(&c["duration_ms"]), text(&c["written_bytes"]), result]);
    }
    print_columns(&rows);
    if let Some(restored) = answer["restored"]["path"].as_str() {
        println!("started from {restored}");
    }
    Ok(())
}

pub fn submit(args: SubmitArgs) -> anyhow::Result<()> {
    let script = read_script(&args.script)?;
    let stem = || args.script.file_stem().map(|s| s.to_string_lossy().into_owned()).filter(|s| s != "-");
    let pair = |v: &String| v.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned())).with_context(|| format!("--var {v}: write --var NAME=VALUE"));
    let variables = args.variables.iter().map(pair).collect::<anyhow::Result<BTreeMap<_, _>>>()?;
    let body = serde_json::json!({ "name": args.name.clone().or_else(stem), "script": script, "variables": variables, "replace": args.replace });
    let answer = request(&args.endpoint.endpoint, "POST", "/api/scripts", Some(&body.to_string()))?;
    for id in answer["jobs"].as_array().into_iter().flatten() {
        println!("{}", text(id));
    }
    Ok(())
}

fn job_row(job: &Value) -> Vec<String> {
    let keys = ["id", "state", "records_in", "records_out", "late_records", "bad_records", "restarts"];
    let checkpoint = text(&job["last_checkpoint"]["id"]);
    keys.iter().map(|key| text(&job[*key])).chain([checkpoint]).collect()
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn print_columns(rows: &[Vec<String>]) {
    let width = |column: usize| rows.iter().filter_map(|r| r.get(column)).map(|c| c.chars().count()).max().unwrap_or(0);
    for row in rows {
        let cells: Vec<String> = row.iter().enumerate().map(|(i, cell)| format!("{cell:<w$}", w = width(i))).collect();
        println!("{}", cells.join("  ").trim_end());
    }
}
