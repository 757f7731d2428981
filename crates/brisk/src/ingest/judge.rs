//! Events are judged before they are taken: one that would fail a job that reads the table is refused, with the reason,
//! while its sender still listens. Tables that skip bad records or keep them as dead letters judge nothing here.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use brisk_core::Result;
use brisk_core::connector::RecordJudge;
use brisk_core::format::DecoderFactory;
use brisk_core::source::{Framing, RecordChunk};

/// Those of all jobs that read one table. A judge goes with the last job that brought it.
#[derive(Default)]
pub struct Judges(Mutex<BTreeMap<String, Vec<Weak<dyn DecoderFactory>>>>);

/// What is wrong with an event.
#[derive(Debug, PartialEq, Eq)]
pub struct Rejected {
    /// From 1.
    pub event: usize,
    pub reason: String,
}

impl Judges {
    pub fn add(&self, judge: &RecordJudge) {
        let mut judges = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        judges.values_mut().for_each(|same| same.retain(|j| j.strong_count() > 0));
        judges.retain(|_, same| !same.is_empty());
        judges.entry(judge.name.clone()).or_default().push(Arc::downgrade(&judge.decoder));
    }

    /// The first event that one of them cannot read.
    pub fn judge(&self, path: &str, events: &[&[u8]]) -> Result<Option<Rejected>> {
        let judges = self.alive();
        if judges.is_empty() {
            return Ok(None);
        }
        let mut end = 0;
        let ends: Vec<u32> = events.iter().map(|event| (end += event.len(), end as u32).1).collect();
        let chunk = RecordChunk { data: events.concat().into(), framing: Framing::Offsets(ends.into()), origin: path.into(), first_record: 1 };
        for judge in judges {
            if let Some(bad) = judge.create().decode(&chunk)?.bad.into_iter().next() {
                return Ok(Some(Rejected { event: bad.record as usize + 1, reason: bad.reason }));
            }
        }
        Ok(None)
    }

    /// One of each name.
    fn alive(&self) -> Vec<Arc<dyn DecoderFactory>> {
        let judges = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        judges.values().filter_map(|same| same.iter().find_map(Weak::upgrade)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use brisk_core::format::FormatSpec;
    use brisk_core::{Column, DataType, Schema, SqlType};

    fn judge(data_type: DataType) -> RecordJudge {
        let schema = Schema::new(vec![Column::new("id", SqlType::nullable(data_type.clone()))]);
        let spec = FormatSpec { schema, projection: vec![0], options: BTreeMap::new(), time_zone: "UTC".to_owned() };
        let json = brisk_formats::formats().into_iter().find(|f| f.name() == "json").expect("there is json");
        RecordJudge { name: data_type.to_string(), decoder: json.decoder(&spec).expect("a decoder") }
    }

    #[test]
    fn an_event_must_suit_every_job_that_reads() {
        let judges = Judges::default();
        let events: [&[u8]; 3] = [br#"{"id": 1}"#, br#"{"id": 3000000000}"#, br#"{"id": "x"}"#];
        let rejected = |judges: &Judges| judges.judge("/ingest/t", &events).expect("judged").map(|r| r.event);
        assert_eq!(rejected(&judges), None);
        let big = judge(DataType::BigInt);
        judges.add(&big);
        assert_eq!(rejected(&judges), Some(3));
        let small = judge(DataType::Int);
        judges.add(&small);
        assert_eq!(rejected(&judges).min(Some(2)), Some(2));
        drop((big, small));
        assert_eq!(rejected(&judges), None);
    }
}
