//! `brisk jobs`, `cancel`, `savepoint`, `checkpoints`, `submit`: what they ask of a running server, and how it is shown.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use brisk_runtime::checkpoint::list::{Listed, list};
use clap::Args;
use serde_json::Value;

use super::columns::print_columns;
use super::http::request;
use super::run::read_script;
use crate::readable::{size, time};

/// Where the server is.
#[derive(Args)]
pub struct Endpoint {
    /// The address of the server.
    #[arg(long, env = "BRISK_ENDPOINT", default_value = "http://127.0.0.1:8080", value_name = "URL")]
    endpoint: String,
}

#[derive(Args)]
pub struct JobsArgs {
    /// One job: its operators with the rows they took and gave, its splits and their watermarks.
    job: Option<String>,
    /// Say why there is no output: what has not come, which split holds the watermark back and since when, where rows
    /// stop or come too late.
    #[arg(long, requires = "job")]
    why: bool,
    #[command(flatten)]
    endpoint: Endpoint,
    /// Print the server's JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub struct CheckpointsArgs {
    /// The job's id, as `brisk jobs` shows it; or a directory of checkpoints, which needs no server.
    #[arg(value_name = "JOB|DIR")]
    job: String,
    #[command(flatten)]
    endpoint: Endpoint,
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
    let path = args.job.as_ref().map_or_else(|| "/api/jobs".to_owned(), |job| format!("/api/jobs/{job}"));
    let answer = request(&args.endpoint.endpoint, "GET", &path, None)?;
    match (args.json, args.why, args.job.is_some()) {
        (true, true, _) => println!("{:#}", answer["why"]),
        (true, false, _) => println!("{answer:#}"),
        (false, true, _) => print_why(&answer),
        (false, false, true) => print_job(&answer),
        (false, false, false) => print_jobs(&answer)?,
    }
    Ok(())
}

fn print_jobs(answer: &Value) -> anyhow::Result<()> {
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

/// The job, its operators in the order of the rows, and the splits of its sources.
fn print_job(answer: &Value) {
    let job = &answer["job"];
    println!("{} {}", text(&job["id"]), text(&job["state"]));
    if let Some(error) = job["error"].as_str() {
        println!("{error}");
    }
    let header = ["#", "OPERATOR", "IN", "OUT", "LATE", "BAD", "STATE", "WATERMARK", ""].map(str::to_owned).to_vec();
    let nodes = answer["status"]["nodes"].as_array().into_iter().flatten().map(node_row);
    print_columns(&std::iter::once(header).chain(nodes).collect::<Vec<_>>());
    let header = ["SPLIT", "SOURCE", "WATERMARK", "SINCE", ""].map(str::to_owned).to_vec();
    let splits: Vec<_> = answer["status"]["splits"].as_array().into_iter().flatten().map(split_row).collect();
    if !splits.is_empty() {
        print_columns(&std::iter::once(header).chain(splits).collect::<Vec<_>>());
    }
}

fn node_row(node: &Value) -> Vec<String> {
    let subtasks = || node["subtasks"].as_array().into_iter().flatten();
    let sum = |key: &str| subtasks().filter_map(|s| s[key].as_u64()).sum::<u64>();
    let watermark = subtasks().filter_map(|s| s["watermark_ms"].as_i64()).min();
    let mut row = vec![text(&node["node"]), text(&node["name"])];
    row.extend(["records_in", "records_out", "late_records_dropped", "bad_records"].map(|key| sum(key).to_string()));
    row.extend([size(sum("state_bytes")), moment(watermark), text(&node["description"])]);
    row
}

fn split_row(split: &Value) -> Vec<String> {
    let idle = if split["idle"] == true { "silent, set aside" } else { "" };
    vec![text(&split["split"]), text(&split["node"]), moment(split["watermark_ms"].as_i64()), moment(split["since_ms"].as_i64()), idle.to_owned()]
}

fn moment(ms: Option<i64>) -> String {
    ms.map_or_else(|| "-".to_owned(), time)
}

fn print_why(answer: &Value) {
    let findings: Vec<&Value> = answer["why"].as_array().into_iter().flatten().collect();
    if findings.is_empty() {
        let job = &answer["job"];
        println!("{} {}: nothing stands in the way of rows", text(&job["id"]), text(&job["state"]));
    }
    for finding in findings {
        println!("{}", text(&finding["what"]));
        if let Some(remedy) = finding["remedy"].as_str() {
            println!("    {remedy}");
        }
    }
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

pub fn checkpoints(args: CheckpointsArgs) -> anyhow::Result<()> {
    if Path::new(&args.job).is_dir() {
        return print_directory(&args.job);
    }
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

/// Every operator's state of a complete one is in the files that its manifest names, older ones among them.
fn print_directory(directory: &str) -> anyhow::Result<()> {
    let listed = list(directory)?;
    anyhow::ensure!(!listed.is_empty(), "there is no checkpoint in {directory}");
    let header = ["ID", "TAKEN", "STATE", "OPERATORS", "PATH"].map(str::to_owned).to_vec();
    let row = |c: &Listed| match &c.content {
        Ok(content) => vec![c.id.to_string(), time(content.time_ms), size(content.bytes), content.operators.to_string(), c.path.clone()],
        Err(why) => vec![c.id.to_string(), "-".to_owned(), "-".to_owned(), "-".to_owned(), format!("{}: {why}", c.path)],
    };
    print_columns(&std::iter::once(header).chain(listed.iter().map(row)).collect::<Vec<_>>());
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
