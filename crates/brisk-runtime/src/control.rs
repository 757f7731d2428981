//! What a run of the job tells its tasks: stop, take this checkpoint, that one is durable.
//!
//! Tasks look at atomics between messages; whoever changes something wakes the tasks that may be waiting.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use brisk_core::{Barrier, Error, ErrorKind};

use crate::checkpoint::writer::Place;
use crate::lock;

/// One start of the job.
#[derive(Default)]
pub(crate) struct Control {
    cancelled: AtomicBool,
    exit: AtomicBool,
    preparing: AtomicU64,
    requested: AtomicU64,
    completed: AtomicU64,
    preparation: Mutex<Option<Preparation>>,
    request: Mutex<Option<Request>>,
    /// How many callers wait for the job to settle: sources then poll without waiting long.
    pub settling: AtomicUsize,
}

/// A checkpoint that will be asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Preparation {
    pub id: u64,
    pub full: bool,
}

/// A checkpoint that tasks are asked for.
#[derive(Clone)]
pub(crate) struct Request {
    pub barrier: Barrier,
    pub full: bool,
    /// `None`: nothing is written, sinks only prepare their commit.
    pub place: Option<Arc<Place>>,
    /// When it was asked for.
    pub injected_ns: u64,
}

impl Control {
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Release);
    }

    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    /// Lets tasks that have ended go.
    pub fn set_exit(&self) {
        self.exit.store(true, Ordering::Release);
    }

    pub fn may_exit(&self) -> bool {
        self.exit.load(Ordering::Acquire)
    }

    pub fn prepare(&self, preparation: Preparation) {
        *lock(&self.preparation) = Some(preparation);
        self.preparing.store(preparation.id, Ordering::Release);
    }

    /// The checkpoint after number `known` that tasks are to prepare for.
    pub fn preparation(&self, known: u64) -> Option<Preparation> {
        if self.preparing.load(Ordering::Acquire) <= known {
            return None;
        }
        lock(&self.preparation).filter(|p| p.id > known)
    }

    pub fn inject(&self, request: Request) {
        let mut slot = lock(&self.request);
        let id = request.barrier.checkpoint_id;
        *slot = Some(request);
        *lock(&self.preparation) = None;
        self.requested.store(id, Ordering::Release);
    }

    /// The checkpoint was given up: barriers still flow, nothing is captured.
    pub fn withdraw(&self) {
        *lock(&self.request) = None;
        *lock(&self.preparation) = None;
    }

    /// The newest checkpoint that was asked for, 0 before the first.
    pub fn requested(&self) -> u64 {
        self.requested.load(Ordering::Acquire)
    }

    /// The request of checkpoint `id` while it is wanted.
    pub fn request(&self, id: u64) -> Option<Request> {
        lock(&self.request).as_ref().filter(|r| r.barrier.checkpoint_id == id).cloned()
    }

    pub fn complete(&self, id: u64) {
        self.completed.fetch_max(id, Ordering::AcqRel);
    }

    /// The newest durable checkpoint, 0 before the first.
    pub fn completed(&self) -> u64 {
        self.completed.load(Ordering::Acquire)
    }
}

pub(crate) fn cancelled() -> Error {
    Error::new(ErrorKind::Cancelled, "the job was cancelled")
}
