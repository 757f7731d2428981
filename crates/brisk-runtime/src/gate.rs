//! The inputs of a task: messages of many channels made into one sequence, with watermarks combined and barriers aligned.
//!
//! ```text
//!   channel 0: r r | r r        | barrier n: channel 0 is blocked until | has come on channel 1 too;
//!   channel 1: r r r r r | r    then the task takes its snapshot, and both flow again.
//! ```
//!
//! A channel that has ended counts as aligned. A newer barrier that overtakes (its predecessor was given up) ends the
//! wait for the older one.

use std::sync::Arc;
use std::time::Duration;

use brisk_core::batch::concat;
use brisk_core::{Barrier, ChangelogBatch, Message, Result, Watermark};

use crate::clock::monotonic_ns;
use crate::inbox::{Inbox, Received};
use crate::job::CheckpointMode;
use crate::valve::Combiner;

pub(crate) struct Gate {
    inbox: Arc<Inbox>,
    channels: Vec<Channel>,
    blocked: Vec<bool>,
    combiner: Combiner,
    aligning: Option<Barrier>,
    aligning_since_ns: u64,
    /// How long the last alignment took.
    alignment_ns: u64,
    live: usize,
    mode: CheckpointMode,
}

struct Channel {
    input: usize,
    /// Its number among the channels of its input.
    place: usize,
    /// The newest barrier that came.
    barrier: u64,
    ended: bool,
}

pub(crate) enum Input {
    Batch(usize, ChangelogBatch),
    /// Combined: one or two steps, in order.
    Watermarks(Vec<Watermark>),
    /// All channels have reached it.
    Barrier(Barrier),
    /// All channels have ended.
    End,
    Timeout,
    Woken,
    /// A message that says nothing to the task yet.
    Nothing,
}

impl Gate {
    /// `inputs` has the input of every channel; `count` is the number of inputs.
    pub fn new(inbox: Arc<Inbox>, inputs: &[usize], count: usize, mode: CheckpointMode) -> Self {
        let mut sizes = vec![0; count];
        let channels = inputs.iter().map(|&input| {
            sizes[input] += 1;
            Channel { input, place: sizes[input] - 1, barrier: 0, ended: false }
        });
        let channels: Vec<_> = channels.collect();
        Self {
            inbox,
            blocked: vec![false; channels.len()],
            live: channels.len(),
            combiner: Combiner::new(&sizes),
            channels,
            aligning: None,
            aligning_since_ns: 0,
            alignment_ns: 0,
            mode,
        }
    }

    pub fn receive(&mut self, timeout: Option<Duration>, settled: bool) -> Result<Input> {
        if self.live == 0 {
            return Ok(Input::End);
        }
        Ok(match self.inbox.receive(&self.blocked, timeout, settled)? {
            Received::Batches(channel, batches) => Input::Batch(self.channels[channel].input, concat(&batches)?),
            Received::Message(channel, Message::Batch(batch)) => Input::Batch(self.channels[channel].input, batch),
            Received::Message(channel, Message::Watermark(watermark)) => self.watermark(channel, watermark),
            Received::Message(channel, Message::Barrier(barrier)) => self.barrier(channel, barrier),
            Received::Message(channel, Message::End) => self.end(channel),
            Received::Timeout => Input::Timeout,
            Received::Woken => Input::Woken,
        })
    }

    /// How long the channels waited for the last barrier that was given out.
    pub fn alignment_ns(&self) -> u64 {
        self.alignment_ns
    }

    fn watermark(&mut self, channel: usize, watermark: Watermark) -> Input {
        let Channel { input, place, .. } = self.channels[channel];
        let mut steps = Vec::new();
        self.combiner.on(input, place, watermark, |w| steps.push(w));
        if steps.is_empty() { Input::Nothing } else { Input::Watermarks(steps) }
    }

    fn barrier(&mut self, channel: usize, barrier: Barrier) -> Input {
        self.channels[channel].barrier = barrier.checkpoint_id;
        match self.aligning {
            Some(current) if barrier.checkpoint_id < current.checkpoint_id => return Input::Nothing,
            Some(current) if barrier.checkpoint_id == current.checkpoint_id => {}
            // The first barrier of a checkpoint, or a newer one: what waited for an older one goes on.
            _ => {
                self.blocked.fill(false);
                self.aligning = Some(barrier);
                self.aligning_since_ns = monotonic_ns();
            }
        }
        self.blocked[channel] = self.mode == CheckpointMode::ExactlyOnce;
        self.try_align()
    }

    fn end(&mut self, channel: usize) -> Input {
        self.channels[channel].ended = true;
        self.live -= 1;
        // With all channels ended the task takes its part in the checkpoint from the control instead.
        if self.live == 0 { Input::End } else { self.try_align() }
    }

    fn try_align(&mut self) -> Input {
        let Some(barrier) = self.aligning else { return Input::Nothing };
        let arrived = |c: &Channel| c.ended || c.barrier >= barrier.checkpoint_id;
        if !self.channels.iter().all(arrived) {
            return Input::Nothing;
        }
        self.aligning = None;
        self.alignment_ns = monotonic_ns() - self.aligning_since_ns;
        self.blocked.fill(false);
        Input::Barrier(barrier)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inbox::Limit;
    use crate::job_tests::rows;
    use brisk_core::metrics::Counter;

    /// Sends words of `channel:message`, where a message is a number of rows, `|id` (barrier), `w<time>` or `.` (end), and
    /// lists what the task is given. Channel `i` belongs to input `inputs[i]`.
    fn check(mode: CheckpointMode, inputs: &[usize], words: &str, expected: &str) {
        let inbox = Arc::new(Inbox::new(inputs.len(), Limit { rows: 10_000, bytes: 1 << 20 }));
        let mut gate = Gate::new(inbox.clone(), inputs, inputs.iter().max().map_or(0, |i| i + 1), mode);
        let mut out = Vec::new();
        for word in words.split_whitespace() {
            let (channel, text) = word.split_once(':').unwrap();
            let message = match text.split_at(1) {
                ("|", id) => Message::Barrier(Barrier { checkpoint_id: id.parse().unwrap(), last: false }),
                ("w", time) => Message::Watermark(Watermark::Time(time.parse().unwrap())),
                (".", _) => Message::End,
                _ => Message::Batch(rows(text.parse().unwrap())),
            };
            inbox.send(channel.parse().unwrap(), message, &Counter::default()).unwrap();
            drain(&mut gate, &mut out);
        }
        assert_eq!(out.join(" "), expected, "{words}");
    }

    fn drain(gate: &mut Gate, out: &mut Vec<String>) {
        loop {
            match gate.receive(Some(Duration::ZERO), true).unwrap() {
                Input::Batch(input, batch) => out.push(format!("{input}:{}", batch.num_rows())),
                Input::Watermarks(steps) => out.push(format!("{steps:?}").replace("Time", "w")),
                Input::Barrier(barrier) => out.push(format!("|{}", barrier.checkpoint_id)),
                Input::End => return out.push(".".to_owned()),
                Input::Timeout => return,
                Input::Woken | Input::Nothing => {}
            }
        }
    }

    #[test]
    fn a_channel_waits_behind_its_barrier() {
        let exactly = CheckpointMode::ExactlyOnce;
        check(exactly, &[0, 0], "0:1 0:|1 0:2 0:3 1:4 1:|1 1:5", "0:1 0:4 |1 0:5 0:5");
        check(exactly, &[0, 1], "0:|1 0:2 1:w5 0:w7 1:|1", "|1 0:2 [w(5)]");
        check(exactly, &[0], "0:1 0:|1 0:2 0:|2 0:.", "0:1 |1 0:2 |2 .");
    }

    #[test]
    fn an_ended_channel_is_not_waited_for() {
        let exactly = CheckpointMode::ExactlyOnce;
        check(exactly, &[0, 0], "0:. 1:|1 1:2 1:.", "|1 0:2 .");
        check(exactly, &[0, 0], "1:|1 1:2 0:3 0:. 1:.", "0:3 |1 0:2 .");
    }

    #[test]
    fn a_newer_barrier_ends_the_wait_for_an_older_one() {
        check(CheckpointMode::ExactlyOnce, &[0, 0], "0:|1 0:2 0:|2 1:|2 0:3", "0:2 |2 0:3");
        check(CheckpointMode::ExactlyOnce, &[0, 0], "0:|2 1:|1 1:|2", "|2");
    }

    #[test]
    fn at_least_once_nothing_waits() {
        check(CheckpointMode::AtLeastOnce, &[0, 0], "0:|1 0:2 1:3 1:|1", "0:2 0:3 |1");
    }
}
