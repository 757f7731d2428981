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

use crate::inbox::{Inbox, Received};
use crate::job::CheckpointMode;
use crate::valve::Combiner;

pub(crate) struct Gate {
    inbox: Arc<Inbox>,
    channels: Vec<Channel>,
    blocked: Vec<bool>,
    combiner: Combiner,
    aligning: Option<Barrier>,
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
        Self { inbox, blocked: vec![false; channels.len()], live: channels.len(), combiner: Combiner::new(&sizes), channels, aligning: None, mode }
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
        self.blocked.fill(false);
        Input::Barrier(barrier)
    }
}
