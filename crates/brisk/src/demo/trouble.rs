//! The trouble that can be caused on request, each so that one alert fires and recovers.

use std::io::Write;
use std::process::ChildStdin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use brisk_core::clock::Clock;
use brisk_core::{Error, Result};
use brisk_runtime::SystemClock;
use serde::Serialize;

/// What a button says, and for how long it lasts.
#[derive(Debug)]
pub struct Trouble {
    pub name: &'static str,
    title: &'static str,
    what: &'static str,
    lasts: Duration,
}

/// In the order of the buttons. The load generator knows them by name.
pub const TROUBLES: &[Trouble] = &[
    Trouble { name: "heartbeat", title: "Stop a host", what: "pay-1 falls silent", lasts: Duration::from_secs(15) },
    Trouble { name: "errors", title: "Burst of errors", what: "order-service fails", lasts: Duration::from_secs(12) },
    Trouble { name: "sweep", title: "1-yuan sweep", what: "one user buys it all", lasts: Duration::from_secs(12) },
    Trouble { name: "card", title: "Probe a card", what: "small, then a big one", lasts: Duration::from_secs(5) },
    Trouble { name: "overload", title: "Overload a host", what: "CPU of search-1", lasts: Duration::from_secs(20) },
    Trouble { name: "calls", title: "Hammer the site", what: "one address calls", lasts: Duration::from_secs(12) },
];

/// What is going on, and whom to tell.
#[derive(Default)]
pub struct Troubles {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    load: Option<ChildStdin>,
    /// By the place in [`TROUBLES`].
    ends_ms: [i64; TROUBLES.len()],
}

#[derive(Serialize)]
pub struct TroubleInfo {
    name: &'static str,
    title: &'static str,
    what: &'static str,
    lasts_ms: u64,
    /// Later than now while it lasts.
    ends_ms: i64,
}

impl Troubles {
    /// Trouble is caused by writing its name and how long it lasts to the load generator.
    pub fn tell(&self, load: ChildStdin) {
        self.lock().load = Some(load);
    }

    pub fn list(&self) -> Vec<TroubleInfo> {
        let state = self.lock();
        let infos = TROUBLES.iter().zip(state.ends_ms);
        infos.map(|(t, ends_ms)| TroubleInfo { name: t.name, title: t.title, what: t.what, lasts_ms: t.lasts.as_millis() as u64, ends_ms }).collect()
    }

    /// Causes it, or makes it last longer. `None` if there is no such trouble.
    pub fn cause(&self, name: &str) -> Option<Result<()>> {
        let place = TROUBLES.iter().position(|t| t.name == name)?;
        let lasts_ms = TROUBLES[place].lasts.as_millis() as i64;
        let mut state = self.lock();
        state.ends_ms[place] = SystemClock.now_ms() + lasts_ms;
        let told = match &mut state.load {
            Some(load) => writeln!(load, "{name} {lasts_ms}").and_then(|()| load.flush()),
            None => Err(std::io::Error::other("it has not started")),
        };
        Some(told.map_err(|e| Error::external(format!("the load generator does not listen: {e}"))))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
