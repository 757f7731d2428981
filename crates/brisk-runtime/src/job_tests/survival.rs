//! Exactly once, through crashes, restarts, other parallelisms, damaged checkpoints and lost commits.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::parts::{Collected, Numbers};
use super::{SOON, after_rows, options, summing_graph};
use crate::checkpoint::CheckpointStore;
use crate::job::{CheckpointOptions, Job, JobOptions, Outcome, RestartStrategy, Restore};

struct World {
    numbers: Arc<Numbers>,
    sums: Arc<Collected>,
    rows: Arc<Collected>,
    directory: tempfile::TempDir,
}

impl World {
    fn new(numbers: Numbers) -> Self {
        Self { numbers: Arc::new(numbers), sums: Arc::default(), rows: Arc::default(), directory: tempfile::tempdir().unwrap() }
    }

    fn store(&self) -> CheckpointStore {
        CheckpointStore::local(self.directory.path()).unwrap()
    }

    fn options(&self, parallelism: usize) -> JobOptions {
        let checkpoint = CheckpointOptions { retained: 2, ..CheckpointOptions::new(self.store()) };
        JobOptions { checkpoint: Some(checkpoint), ..options(parallelism) }
    }

    fn start(&self, options: JobOptions, restore: Restore) -> crate::job::JobHandle {
        Job::start(summing_graph(&self.numbers, &self.sums, &self.rows), options, restore).unwrap()
    }

    /// Runs the rest without pauses.
    fn finish(&self, options: JobOptions, restore: Restore) -> crate::job::JobResult {
        self.numbers.hurry.store(true, Ordering::Relaxed);
        let result = self.start(options, restore).wait_for(SOON).expect("the job ends").unwrap();
        assert_eq!(result.outcome, Outcome::Finished);
        result
    }

    fn check_output(&self) {
        assert_eq!(self.rows.values(), self.numbers.all().into_iter().collect::<Vec<_>>(), "every row once");
        assert_eq!(self.sums.rows(), self.numbers.sums().into_iter().collect::<Vec<_>>(), "the sums");
    }
}

fn slow_numbers() -> Numbers {
    Numbers { pause: Duration::from_millis(1), rows: 10_000, ..Numbers::default() }
}

/// The manifest and state files below a directory.
fn files(directory: &Path) -> Vec<std::path::PathBuf> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap().map(|e| e.unwrap().path()) {
        if entry.is_dir() { out.extend(files(&entry)) } else { out.push(entry) }
    }
    out.sort();
    out
}

#[test]
fn a_bounded_job_gives_everything_once() {
    for parallelism in [1, 2, 3] {
        let world = World::new(Numbers::default());
        world.finish(options(parallelism), Restore::None);
        world.check_output();
    }
}

#[test]
fn crashes_and_other_parallelisms_change_nothing() {
    let world = World::new(slow_numbers());
    let mut restored = 0;
    for (round, parallelism) in [1, 3, 2, 4, 1, 2].into_iter().enumerate() {
        let handle = world.start(world.options(parallelism), Restore::Latest);
        let mut given = 0;
        for _ in 0..round % 3 + 1 {
            after_rows(&handle, given + 100);
            given += 100;
            handle.trigger_checkpoint().unwrap();
        }
        after_rows(&handle, given + 50);
        handle.cancel();
        let result = handle.wait_for(SOON).expect("a prompt end").unwrap();
        assert_eq!(result.outcome, Outcome::Cancelled);
        restored += usize::from(result.restored.is_some());
    }
    assert_eq!(restored, 5);
    let result = world.finish(world.options(3), Restore::Latest);
    assert!(result.restored.is_some());
    world.check_output();
}

#[test]
fn crashes_at_any_moment_of_a_checkpoint_change_nothing() {
    let world = World::new(Numbers { pause: Duration::from_millis(1), batch: 3, ..slow_numbers() });
    for round in 0..30u64 {
        let mut options = world.options(1 + round as usize % 3);
        options.checkpoint = options.checkpoint.map(|c| c.every(Duration::from_millis(3)));
        let handle = world.start(options, Restore::Latest);
        // Different moments between the first barrier and the third commit.
        assert!(handle.wait_for(Duration::from_micros(3000 + (round * 7919) % 40_000)).is_none());
        handle.cancel();
        handle.wait_for(SOON).expect("a prompt end").unwrap();
    }
    world.finish(world.options(2), Restore::Latest);
    world.check_output();
}

/// Every checkpoint is written in many parts, and most keys change while they are.
#[test]
fn keys_that_change_while_they_are_written_ahead_count_once() {
    let numbers = Numbers { pause: Duration::from_micros(200), rows: 100_000, keys: 20_000, batch: 500, released: 0.into(), ..Numbers::default() };
    let world = World::new(numbers);
    for (round, parallelism) in [1, 2, 1].into_iter().enumerate() {
        let handle = world.start(world.options(parallelism), Restore::Latest);
        world.numbers.released.fetch_add(30_000, Ordering::Relaxed);
        after_rows(&handle, 25_000);
        let first = handle.trigger_checkpoint().unwrap();
        let second = handle.trigger_checkpoint().unwrap();
        assert!(first.written_bytes > 0 && second.written_bytes > 0);
        handle.cancel();
        assert_eq!(handle.wait_for(SOON).unwrap().unwrap().restored.is_some(), round > 0);
    }
    world.numbers.released.store(u64::MAX, Ordering::Relaxed);
    world.finish(world.options(3), Restore::Latest);
    world.check_output();
}

#[test]
fn a_job_does_not_end_in_the_middle_of_a_commit() {
    let world = World::new(slow_numbers());
    world.rows.commit_ms.store(100, Ordering::Relaxed);
    let mut options = world.options(2);
    options.checkpoint = options.checkpoint.map(|c| c.every(Duration::from_millis(5)));
    let handle = world.start(options, Restore::None);
    while world.rows.commits.load(Ordering::Relaxed) == 0 {
        std::thread::yield_now();
    }
    handle.cancel();
    handle.wait_for(SOON).expect("an end").unwrap();
    assert!(!world.rows.rows().is_empty(), "the commit is over");
    world.rows.commit_ms.store(0, Ordering::Relaxed);
    world.finish(world.options(1), Restore::Latest);
    world.check_output();
}

#[test]
fn a_failure_restarts_the_job_from_its_newest_checkpoint() {
    let world = World::new(Numbers { fail_at: Some(1500), released: 1000.into(), ..slow_numbers() });
    let mut options = world.options(2);
    options.restart = RestartStrategy::Fixed { attempts: 1, delay: Duration::from_millis(1) };
    let handle = world.start(options, Restore::None);
    after_rows(&handle, 300);
    handle.trigger_checkpoint().unwrap();
    world.numbers.released.store(u64::MAX, Ordering::Relaxed);
    world.numbers.hurry.store(true, Ordering::Relaxed);
    let result = handle.wait_for(SOON).unwrap().unwrap();
    assert_eq!(result.restarts, 1);
    assert!(result.restored.is_some());
    assert!(result.status.last_error.unwrap().contains("the numbers ran out"));
    world.check_output();
}

#[test]
fn a_lost_commit_is_made_good_after_the_restart() {
    let world = World::new(slow_numbers());
    let mut options = world.options(2);
    options.restart = RestartStrategy::Fixed { attempts: 1, delay: Duration::ZERO };
    options.checkpoint = options.checkpoint.map(|c| c.every(Duration::from_millis(10)));
    world.rows.fail_commit.store(true, Ordering::Relaxed);
    assert_eq!(world.finish(options, Restore::None).restarts, 1);
    world.check_output();
}

#[test]
fn without_checkpoints_a_restart_begins_anew() {
    let world = World::new(Numbers { fail_at: Some(500), ..Numbers::default() });
    let mut options = options(2);
    options.restart = RestartStrategy::Fixed { attempts: 1, delay: Duration::ZERO };
    assert_eq!(world.finish(options, Restore::None).restarts, 1);
    world.check_output();
}

#[test]
fn a_damaged_checkpoint_is_passed_over() {
    for damage in ["manifest.json", "small.state"] {
        let world = World::new(slow_numbers());
        let handle = world.start(world.options(2), Restore::None);
        let mut ids = Vec::new();
        for round in 1..=2 {
            after_rows(&handle, round * 200);
            ids.push(handle.trigger_checkpoint().unwrap().id);
        }
        handle.cancel();
        handle.wait_for(SOON).unwrap().unwrap();
        let newest = world.directory.path().join(format!("chk-{}", ids[1])).join(damage);
        let mut bytes = std::fs::read(&newest).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x20;
        std::fs::write(&newest, bytes).unwrap();
        // What checkpoint 2 committed before it was damaged is not undone by going back to 1: new sinks, and all again.
        let again = World { sums: Arc::default(), rows: Arc::default(), numbers: world.numbers.clone(), directory: world.directory };
        let result = again.finish(again.options(3), Restore::Latest);
        let restored = result.restored.unwrap();
        assert_eq!((restored.id, restored.skipped.len()), (ids[0], 1), "{damage}");
        assert!(restored.skipped[0].1.contains("damaged"), "{:?}", restored.skipped);
    }
}

#[test]
fn only_damaged_checkpoints_are_an_error() {
    let world = World::new(slow_numbers());
    let handle = world.start(world.options(1), Restore::None);
    handle.trigger_checkpoint().unwrap();
    handle.cancel();
    handle.wait_for(SOON).unwrap().unwrap();
    std::fs::write(world.directory.path().join("chk-1/manifest.json"), "{}").unwrap();
    let graph = summing_graph(&world.numbers, &world.sums, &world.rows);
    let error = Job::start(graph, world.options(1), Restore::Latest).err().expect("refused");
    assert!(error.message.contains("none of 1 checkpoints can be restored"), "{error}");
}

#[test]
fn only_what_is_needed_is_kept() {
    let world = World::new(Numbers { released: 0.into(), ..Numbers::default() });
    let handle = world.start(world.options(2), Restore::None);
    for round in 1..=25 {
        world.numbers.released.store(round * 20, Ordering::Relaxed);
        after_rows(&handle, round * 20);
        handle.trigger_checkpoint().unwrap();
    }
    handle.cancel();
    handle.wait_for(SOON).unwrap().unwrap();
    let names: Vec<String> = files(world.directory.path()).iter().map(|p| p.display().to_string()).collect();
    assert_eq!(names.iter().filter(|n| n.ends_with("manifest.json")).count(), 2, "{names:?}");
    assert!(names.len() < 2 + 2 * 20, "{names:?}");
    world.numbers.released.store(u64::MAX, Ordering::Relaxed);
    world.finish(world.options(1), Restore::Latest);
    world.check_output();
}

#[test]
fn a_job_stops_with_a_savepoint_and_goes_on_from_it() {
    let world = World::new(slow_numbers());
    let path = world.directory.path().join("sp").display().to_string();
    let handle = world.start(world.options(2), Restore::None);
    after_rows(&handle, 300);
    handle.trigger_checkpoint().unwrap();
    let info = handle.stop_with_savepoint(&path).unwrap();
    assert_eq!(info.path, path);
    let result = handle.wait_for(SOON).unwrap().unwrap();
    assert!(matches!(result.outcome, Outcome::Stopped { .. }), "{:?}", result.outcome);
    assert!(handle.trigger_checkpoint().is_err());
    let result = world.finish(options(3), Restore::Path(path.clone()));
    assert_eq!(result.restored.unwrap().path, path);
    world.check_output();
}

#[test]
fn a_savepoint_in_passing_commits_nothing_twice() {
    let world = World::new(slow_numbers());
    let path = world.directory.path().join("sp").display().to_string();
    let handle = world.start(world.options(2), Restore::None);
    handle.trigger_checkpoint().unwrap();
    after_rows(&handle, 300);
    handle.savepoint(&path).unwrap();
    assert!(handle.savepoint(&path).unwrap_err().message.contains("already holds a savepoint"));
    after_rows(&handle, 600);
    handle.trigger_checkpoint().unwrap();
    handle.cancel();
    handle.wait_for(SOON).unwrap().unwrap();
    world.finish(world.options(1), Restore::Latest);
    world.check_output();
}

#[test]
fn state_of_unknown_operators_is_not_dropped_unasked() {
    let world = World::new(slow_numbers());
    let handle = world.start(world.options(1), Restore::None);
    after_rows(&handle, 100);
    handle.trigger_checkpoint().unwrap();
    handle.cancel();
    handle.wait_for(SOON).unwrap().unwrap();
    let mut graph = summing_graph(&world.numbers, &world.sums, &world.rows);
    graph.nodes[1].operator_id = "another".to_owned();
    let mut options = world.options(1);
    let error = Job::start(graph.clone(), options.clone(), Restore::Latest).err().expect("refused");
    assert!(error.message.contains("operators that this job does not have: Sum (sum)"), "{error}");
    options.allow_non_restored_state = true;
    let result = Job::start(graph, options, Restore::Latest).unwrap().wait_for(SOON).unwrap().unwrap();
    assert_eq!(result.outcome, Outcome::Finished);
    assert_eq!(world.rows.values().len(), 30_000);
}
