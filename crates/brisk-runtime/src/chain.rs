//! The nodes of one task, called directly: what one emits is handed to the next without a channel.
//!
//! ```text
//!   links:  0 filter --> 1 aggregate --> 2 project --> 3 sink        a target has a greater number than its source,
//!                 \----> 4 sink         --> exit 0                   so a link and what is behind it can be borrowed
//! ```
//!
//! The links of a chain form any directed graph in topological order. [`Flow`] is a borrowed tail of them; calling a link
//! splits it off and lends the rest to its output. Nothing is allocated on the way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow_array::BooleanArray;
use arrow_buffer::BooleanBuffer;
use brisk_core::graph::{NodeId, Port};
use brisk_core::metrics::TaskMetrics;
use brisk_core::operator::{Collector, Operator, Output};
use brisk_core::sink::SinkWriter;
use brisk_core::snapshot::SnapshotKind;
use brisk_core::{ChangelogBatch, Message, Result, Watermark};

use crate::checkpoint::ahead::Ahead;
use crate::checkpoint::capture::Capture;
use crate::checkpoint::manifest::{Blob, SubtaskManifest};
use crate::checkpoint::writer::{AheadPart, Part};
use crate::clock::monotonic_ns;
use crate::control::{Preparation, Request};
use crate::exchange::Exit;
use crate::valve::Combiner;

pub(crate) struct Chain {
    pub links: Vec<Link>,
    pub exits: Vec<Exit>,
}

/// One node of the chain, at one subtask.
pub(crate) struct Link {
    pub node: NodeId,
    pub index: usize,
    pub operator_id: Arc<str>,
    pub unit: Unit,
    pub targets: Vec<(Port, Target)>,
    /// Where several edges of the chain meet.
    pub combiner: Option<Combiner>,
    /// The newest watermark that was given to the unit, and the newest that came out.
    pub watermark_in: i64,
    pub watermark_out: i64,
    pub metrics: Arc<TaskMetrics>,
    /// The next snapshot is to hold everything.
    pub want_full: Arc<AtomicBool>,
    /// What was written ahead for the checkpoint that is being prepared.
    pub ahead: Option<Ahead>,
}

pub(crate) enum Unit {
    /// The task's source: what it reads goes straight to the targets.
    Source,
    Operator(Box<dyn Operator>),
    Sink(Box<dyn SinkWriter>),
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Target {
    /// `place` numbers the edges that end at this input.
    Link {
        link: usize,
        input: usize,
        place: usize,
    },
    Exit(usize),
}

impl Chain {
    /// Says again what the restored operators had said: an input of a join may have nothing more to say for a long time.
    pub fn resume(&mut self, now_ms: i64) -> Result<()> {
        for i in 0..self.links.len() {
            let mut flow = self.flow(now_ms);
            let (link, mut below) = flow.split(i);
            if link.watermark_out != Watermark::MIN {
                below.send_watermark(&link.targets, Watermark::Time(link.watermark_out))?;
            }
        }
        self.tell();
        Ok(())
    }

    /// Rows for input `input` of the first link.
    pub fn batch(&mut self, input: usize, batch: ChangelogBatch, now_ms: i64) -> Result<()> {
        self.flow(now_ms).batch(0, input, batch)
    }

    /// A combined watermark for the first link.
    pub fn watermark(&mut self, watermark: Watermark, now_ms: i64) -> Result<()> {
        self.flow(now_ms).combined_watermark(0, watermark)
    }

    /// Rows out of a port of the first link, which is a source.
    pub fn emit(&mut self, port: Port, batch: ChangelogBatch, now_ms: i64) -> Result<()> {
        let mut flow = self.flow(now_ms);
        let (source, mut below) = flow.split(0);
        source.metrics.records_out.add(batch.num_rows() as u64);
        below.send(&source.targets, port, batch)
    }

    /// Emits all that the units hold back.
    pub fn flush(&mut self, now_ms: i64) -> Result<()> {
        (0..self.links.len()).try_for_each(|i| self.flow(now_ms).flush(i))
    }

    /// Emits what the units hold back and somebody may be waiting for.
    pub fn release(&mut self, now_ms: i64) -> Result<()> {
        (0..self.links.len()).try_for_each(|i| self.flow(now_ms).release(i))?;
        self.tell();
        Ok(())
    }

    /// Whether consumers that wait do not know yet of what was sent to them.
    pub fn owes(&self) -> bool {
        self.exits.iter().any(Exit::owes)
    }

    pub fn tell(&mut self) {
        self.exits.iter_mut().for_each(Exit::tell);
    }

    /// The earliest timer of any operator.
    pub fn next_timer(&self) -> Option<i64> {
        self.links.iter().filter_map(|l| if let Unit::Operator(o) = &l.unit { o.next_timer() } else { None }).min()
    }

    pub fn fire_timers(&mut self, now_ms: i64) -> Result<()> {
        (0..self.links.len()).try_for_each(|i| self.flow(now_ms).fire_timer(i))
    }

    /// Writes parts of the operators' state ahead of a checkpoint, until nothing is left that is worth it (`true`), the time is
    /// over, or `hand_over` says that it has no room for more. What the flushes emit reaches the links behind.
    pub fn write_ahead(&mut self, preparation: Preparation, now_ms: i64, mut hand_over: impl FnMut(AheadPart) -> Result<bool>) -> Result<bool> {
        let begin_ns = monotonic_ns();
        for i in 0..self.links.len() {
            while self.links[i].begin_ahead(preparation) {
                self.flow(now_ms).flush(i)?;
                let ends_ns = begin_ns + self.links[i].ahead.as_ref().map_or(0, Ahead::turn_ns);
                let has_room = self.links[i].write_ahead(ends_ns)?.map_or(Ok(true), &mut hand_over)?;
                if !has_room || monotonic_ns() >= ends_ns {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Writes all but the last parts of the operators' state, for a checkpoint of a subtask that has ended.
    pub fn write_parts(&mut self, preparation: Preparation, mut hand_over: impl FnMut(AheadPart) -> Result<()>) -> Result<()> {
        for link in &mut self.links {
            while link.begin_ahead(preparation) {
                if let Some(ahead) = &mut link.ahead {
                    ahead.take_time();
                }
                if let Some(part) = link.write_ahead(0)? {
                    hand_over(part)?;
                }
            }
        }
        Ok(())
    }

    /// Takes the snapshot of every link. What the flushes emit reaches the links behind before theirs is taken.
    pub fn snapshot(&mut self, request: &Request, now_ms: i64) -> Result<Vec<Part>> {
        let mut parts = Vec::with_capacity(self.links.len());
        for i in 0..self.links.len() {
            self.flow(now_ms).flush(i)?;
            parts.push(self.links[i].snapshot(request)?);
        }
        Ok(parts)
    }

    /// Sends a barrier or the end on.
    pub fn signal(&mut self, message: &Message) -> Result<()> {
        self.exits.iter_mut().try_for_each(|e| e.signal(message))
    }

    pub fn update_state_bytes(&self) {
        for link in &self.links {
            if let Unit::Operator(operator) = &link.unit {
                link.metrics.state_bytes.set(operator.state_bytes() as i64);
            }
        }
    }

    fn flow(&mut self, now_ms: i64) -> Flow<'_> {
        Flow { links: &mut self.links, base: 0, exits: &mut self.exits, now_ms }
    }
}

impl Link {
    /// Whether there is something to write ahead.
    fn begin_ahead(&mut self, preparation: Preparation) -> bool {
        if !matches!(self.unit, Unit::Operator(_)) {
            return false;
        }
        if self.ahead.as_ref().is_none_or(|a| a.id != preparation.id) {
            self.ahead = Some(Ahead::new(preparation.id, self.kind(preparation.full)));
        }
        self.ahead.as_ref().is_some_and(|a| !a.is_done())
    }

    /// Writes a part: one bite, and more of them as long as the time is not over.
    fn write_ahead(&mut self, ends_ns: u64) -> Result<Option<AheadPart>> {
        let (Unit::Operator(operator), Some(ahead)) = (&mut self.unit, &mut self.ahead) else { return Ok(None) };
        let (kind, room) = ahead.next_bite();
        let mut capture = Capture::part(kind, room);
        let mut begin_ns = monotonic_ns();
        loop {
            operator.snapshot(&mut capture)?;
            let now_ns = monotonic_ns();
            ahead.wrote(capture.left_out, now_ns - begin_ns);
            let (next_kind, room) = ahead.next_bite();
            if next_kind != kind || ahead.is_done() || now_ns >= ends_ns {
                break;
            }
            capture.make_room(room);
            begin_ns = now_ns;
        }
        // Operator states are those at the barrier.
        capture.states.clear();
        let part = AheadPart { id: ahead.id, node: self.node, index: self.index, capture };
        Ok((!part.capture.is_empty()).then_some(part))
    }

    fn kind(&self, full: bool) -> SnapshotKind {
        if full || self.want_full.load(Ordering::Relaxed) { SnapshotKind::Full } else { SnapshotKind::Incremental }
    }

    fn snapshot(&mut self, request: &Request) -> Result<Part> {
        let mut manifest = SubtaskManifest::default();
        let mut capture = None;
        let ahead = self.ahead.take().filter(|a| a.id == request.barrier.checkpoint_id);
        let kind = ahead.as_ref().map_or_else(|| self.kind(request.full), |a| a.kind);
        match &mut self.unit {
            Unit::Source => {}
            Unit::Operator(operator) if request.place.is_some() => {
                let writer = capture.insert(Capture::new(ahead.map_or(kind, |a| a.last_part())));
                operator.snapshot(writer)?;
                let known = |watermark| Some(watermark).filter(|w| ![Watermark::MIN, Watermark::MAX].contains(w));
                (manifest.watermark, manifest.watermark_out) = (known(self.watermark_in), known(self.watermark_out));
            }
            Unit::Operator(_) => {}
            Unit::Sink(writer) => {
                manifest.committables = writer.prepare_commit(request.barrier.checkpoint_id)?.into_iter().map(Blob).collect();
                manifest.writer_state = writer.snapshot()?.map(Blob);
            }
        }
        Ok(Part { node: self.node, operator_id: self.operator_id.clone(), index: self.index, kind, capture, want_full: self.want_full.clone(), manifest })
    }
}

/// The links from number `base` on.
struct Flow<'a> {
    links: &'a mut [Link],
    base: usize,
    exits: &'a mut [Exit],
    now_ms: i64,
}

/// What a unit emits to: the links behind it.
struct Downstream<'a, 'b> {
    below: Flow<'a>,
    targets: &'b [(Port, Target)],
    metrics: &'b TaskMetrics,
    watermark_out: &'b mut i64,
}

impl Flow<'_> {
    fn split(&mut self, number: usize) -> (&mut Link, Flow<'_>) {
        let (link, behind) = self.links[number - self.base..].split_first_mut().expect("a link of this chain");
        (link, Flow { links: behind, base: number + 1, exits: self.exits, now_ms: self.now_ms })
    }

    fn batch(&mut self, number: usize, input: usize, batch: ChangelogBatch) -> Result<()> {
        let now_ms = self.now_ms;
        let (link, below) = self.split(number);
        link.metrics.records_in.add(batch.num_rows() as u64);
        let Link { unit, targets, metrics, watermark_out, .. } = link;
        match unit {
            Unit::Operator(operator) => operator.on_batch(input, batch, &mut Output::new(&mut Downstream { below, targets, metrics, watermark_out }, now_ms)),
            Unit::Sink(writer) => writer.write(&batch),
            Unit::Source => Ok(()),
        }
    }

    fn watermark(&mut self, number: usize, input: usize, place: usize, watermark: Watermark) -> Result<()> {
        let link = &mut self.links[number - self.base];
        let Some(combiner) = &mut link.combiner else { return self.combined_watermark(number, watermark) };
        let mut steps = Vec::new();
        combiner.on(input, place, watermark, |w| steps.push(w));
        steps.into_iter().try_for_each(|w| self.combined_watermark(number, w))
    }

    fn combined_watermark(&mut self, number: usize, watermark: Watermark) -> Result<()> {
        if watermark == Watermark::Idle {
            // Time will pass those behind without this subtask: what it holds back for a watermark must be there before.
            self.flush(number)?;
        }
        let now_ms = self.now_ms;
        let (link, mut below) = self.split(number);
        let Link { unit, targets, metrics, watermark_in, watermark_out, .. } = link;
        match (watermark, unit) {
            (Watermark::Time(time), Unit::Operator(operator)) if time > *watermark_in => {
                *watermark_in = time;
                operator.on_watermark(time, &mut Output::new(&mut Downstream { below, targets, metrics, watermark_out }, now_ms))
            }
            // Not idle any more: the operator has seen this time, those behind it only learn that it counts again.
            (Watermark::Time(_), Unit::Operator(_)) => below.send_watermark(targets, Watermark::Time(*watermark_out)),
            (Watermark::Time(time), Unit::Source | Unit::Sink(_)) => {
                metrics.watermark_ms.set(time);
                below.send_watermark(targets, watermark)
            }
            (Watermark::Idle, _) => below.send_watermark(targets, Watermark::Idle),
        }
    }

    fn flush(&mut self, number: usize) -> Result<()> {
        self.hook(number, |operator, out| operator.flush(out), |writer| writer.flush())
    }

    fn release(&mut self, number: usize) -> Result<()> {
        self.hook(number, |operator, out| operator.release(out), |writer| writer.flush())
    }

    fn fire_timer(&mut self, number: usize) -> Result<()> {
        let now_ms = self.now_ms;
        let fire = |operator: &mut dyn Operator, out: &mut Output| match operator.next_timer() {
            Some(due) if due <= now_ms => operator.on_timer(now_ms, out),
            _ => Ok(()),
        };
        self.hook(number, fire, |_| Ok(()))
    }

    fn hook(
        &mut self,
        number: usize,
        on_operator: impl FnOnce(&mut dyn Operator, &mut Output) -> Result<()>,
        on_sink: impl FnOnce(&mut dyn SinkWriter) -> Result<()>,
    ) -> Result<()> {
        let now_ms = self.now_ms;
        let (link, below) = self.split(number);
        let Link { unit, targets, metrics, watermark_out, .. } = link;
        match unit {
            Unit::Operator(operator) => on_operator(operator.as_mut(), &mut Output::new(&mut Downstream { below, targets, metrics, watermark_out }, now_ms)),
            Unit::Sink(writer) => on_sink(writer.as_mut()),
            Unit::Source => Ok(()),
        }
    }

    /// Rows to every target of the port; the last one takes the batch itself.
    fn send(&mut self, targets: &[(Port, Target)], port: Port, batch: ChangelogBatch) -> Result<()> {
        let mut wanted = targets.iter().filter(|(p, _)| *p == port).map(|(_, t)| *t);
        let Some(mut current) = wanted.next() else { return Ok(()) };
        for next in wanted {
            self.send_to(current, batch.clone())?;
            current = next;
        }
        self.send_to(current, batch)
    }

    fn send_to(&mut self, target: Target, batch: ChangelogBatch) -> Result<()> {
        match target {
            Target::Link { link, input, .. } => self.batch(link, input, batch),
            Target::Exit(exit) => self.exits[exit].batch(batch),
        }
    }

    /// Rows of a batch to every target of the main port. An exchange takes them uncopied.
    fn send_kept(&mut self, targets: &[(Port, Target)], batch: ChangelogBatch, kept: &BooleanBuffer) -> Result<()> {
        match targets {
            [(Port::Main, Target::Exit(exit))] => self.exits[*exit].filter(batch, kept),
            _ => self.send(targets, Port::Main, batch.filter(&BooleanArray::new(kept.clone(), None))?),
        }
    }

    /// To all targets of all ports.
    fn send_watermark(&mut self, targets: &[(Port, Target)], watermark: Watermark) -> Result<()> {
        targets.iter().try_for_each(|(_, target)| match *target {
            Target::Link { link, input, place } => self.watermark(link, input, place, watermark),
            Target::Exit(exit) => self.exits[exit].signal(&Message::Watermark(watermark)),
        })
    }
}

impl Collector for Downstream<'_, '_> {
    fn batch(&mut self, batch: ChangelogBatch) -> Result<()> {
        self.metrics.records_out.add(batch.num_rows() as u64);
        self.below.send(self.targets, Port::Main, batch)
    }

    fn filter(&mut self, batch: ChangelogBatch, kept: &BooleanBuffer) -> Result<()> {
        self.metrics.records_out.add(kept.count_set_bits() as u64);
        self.below.send_kept(self.targets, batch, kept)
    }

    fn watermark(&mut self, watermark: Watermark) -> Result<()> {
        if let Watermark::Time(time) = watermark {
            *self.watermark_out = time;
            self.metrics.watermark_ms.set(time);
        }
        self.below.send_watermark(self.targets, watermark)
    }

    fn late(&mut self, input: usize, batch: ChangelogBatch) -> Result<()> {
        self.metrics.late_records_dropped.add(batch.num_rows() as u64);
        self.below.send(self.targets, Port::Late { input }, batch)
    }
}
