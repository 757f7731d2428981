//! Combining watermarks: of the channels of one input, and of the inputs of one node.
//!
//! The combined watermark is the least of those that count, and never falls. A channel that is idle does not count. One
//! that becomes active again counts once it has caught up with what was already promised, so it cannot hold others back
//! on the way. When the last active channel falls idle the greatest of all is given out, since nothing is to be waited for.
//! These are Flink's rules. The end of a channel changes nothing: its last watermark stands.

use brisk_core::Watermark;

/// The channels of one input.
#[derive(Debug)]
pub(crate) struct Valve {
    channels: Vec<Channel>,
    last: i64,
    idle: bool,
}

#[derive(Debug, Clone)]
struct Channel {
    watermark: i64,
    idle: bool,
    /// Counts for the minimum.
    aligned: bool,
}

impl Valve {
    pub fn new(channels: usize) -> Self {
        Self { channels: vec![Channel { watermark: Watermark::MIN, idle: false, aligned: true }; channels], last: Watermark::MIN, idle: false }
    }

    /// What the input as a whole says now, if it differs from what it said.
    pub fn on(&mut self, channel: usize, watermark: Watermark) -> Option<Watermark> {
        match watermark {
            Watermark::Time(time) => self.on_time(channel, time),
            Watermark::Idle => self.on_idle(channel),
        }
    }

    fn on_time(&mut self, index: usize, time: i64) -> Option<Watermark> {
        let channel = &mut self.channels[index];
        channel.idle = false;
        channel.watermark = channel.watermark.max(time);
        channel.aligned |= channel.watermark >= self.last;
        let was_idle = std::mem::take(&mut self.idle);
        if self.raise_to(self.least()) || was_idle { Some(Watermark::Time(self.last)) } else { None }
    }

    fn on_idle(&mut self, index: usize) -> Option<Watermark> {
        let channel = &mut self.channels[index];
        if channel.idle {
            return None;
        }
        (channel.idle, channel.aligned) = (true, false);
        if self.channels.iter().all(|c| c.idle) {
            self.idle = true;
            return Some(Watermark::Idle);
        }
        self.raise_to(self.least()).then_some(Watermark::Time(self.last))
    }

    /// The greatest watermark that is reached when the last channel falls idle; asked before `Idle` is sent on.
    pub fn flush_before_idle(&mut self) -> Option<Watermark> {
        let greatest = self.channels.iter().map(|c| c.watermark).max()?;
        self.raise_to(Some(greatest)).then_some(Watermark::Time(self.last))
    }

    fn least(&self) -> Option<i64> {
        self.channels.iter().filter(|c| c.aligned && !c.idle).map(|c| c.watermark).min()
    }

    fn raise_to(&mut self, time: Option<i64>) -> bool {
        let risen = time.is_some_and(|t| t > self.last);
        if let (true, Some(time)) = (risen, time) {
            self.last = time;
        }
        risen
    }
}

/// The inputs of one node, each with its channels.
#[derive(Debug)]
pub(crate) struct Combiner {
    valves: Vec<Valve>,
    inputs: Vec<(i64, bool)>,
    last: i64,
    idle: bool,
}

impl Combiner {
    /// `channels` has the number of channels of each input.
    pub fn new(channels: &[usize]) -> Self {
        // An input that nothing can come from (no channel) waits for nothing.
        let state = |n: &usize| if *n == 0 { (Watermark::MAX, true) } else { (Watermark::MIN, false) };
        Self { valves: channels.iter().map(|n| Valve::new(*n)).collect(), inputs: channels.iter().map(state).collect(), last: Watermark::MIN, idle: false }
    }

    /// Gives to `out` what the node as a whole says now.
    pub fn on(&mut self, input: usize, channel: usize, watermark: Watermark, mut out: impl FnMut(Watermark)) {
        let Some(said) = self.valves[input].on(channel, watermark) else { return };
        if said == Watermark::Idle
            && let Some(flushed) = self.valves[input].flush_before_idle()
        {
            self.take(input, flushed, &mut out);
        }
        self.take(input, said, &mut out);
    }

    fn take(&mut self, input: usize, said: Watermark, out: &mut impl FnMut(Watermark)) {
        match said {
            Watermark::Time(time) => self.inputs[input] = (time, false),
            Watermark::Idle => self.inputs[input].1 = true,
        }
        let least = self.inputs.iter().filter(|(_, idle)| !idle).map(|(time, _)| *time).min();
        let Some(least) = least else {
            self.idle = true;
            return out(Watermark::Idle);
        };
        let was_idle = std::mem::take(&mut self.idle);
        if least > self.last || was_idle {
            self.last = self.last.max(least);
            out(Watermark::Time(self.last));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words of `input.channel:watermark`, where `-` is idle; the answers in order.
    fn check(channels: &[usize], words: &str, expected: &str) {
        let mut combiner = Combiner::new(channels);
        let mut out = Vec::new();
        for word in words.split_whitespace() {
            let (place, text) = word.split_once(':').unwrap();
            let (input, channel) = place.split_once('.').unwrap();
            let watermark = text.parse().map_or(Watermark::Idle, Watermark::Time);
            combiner.on(input.parse().unwrap(), channel.parse().unwrap(), watermark, |w| match w {
                Watermark::Time(t) => out.push(t.to_string()),
                Watermark::Idle => out.push("-".to_owned()),
            });
        }
        assert_eq!(out.join(" "), expected, "{words}");
    }

    #[test]
    fn the_least_counts_and_never_falls() {
        check(&[1], "0.0:5 0.0:5 0.0:4 0.0:6", "5 6");
        check(&[2], "0.0:5 0.1:3 0.1:7", "3 5");
        check(&[1, 1], "0.0:5 1.0:3 1.0:7 0.0:9", "3 5 7");
        check(&[1, 0], "0.0:5", "5");
    }

    #[test]
    fn idle_channels_do_not_count() {
        check(&[2], "0.0:5 0.1:-", "5");
        check(&[2], "0.0:5 0.1:2 0.1:- 0.0:8", "2 5 8");
        check(&[2], "0.0:5 0.1:2 0.0:- 0.1:-", "2 5 -");
        check(&[2], "0.0:- 0.1:- 0.0:4", "- 4");
        check(&[1, 1], "0.0:5 1.0:- 0.0:8 1.0:3 0.0:9 1.0:10", "5 8 9");
        check(&[1], "0.0:5 0.0:- 0.0:5", "5 - 5");
    }

    #[test]
    fn a_channel_that_returns_counts_when_it_has_caught_up() {
        check(&[2], "0.0:5 0.1:- 0.1:3 0.0:8 0.1:8 0.0:9 0.1:10", "5 8 9");
    }
}
