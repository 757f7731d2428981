//! The ways in which every script runs.

use std::fmt;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// One subtask, a batch a feed: the changelog must be the written one, line by line.
    Written,
    /// Every row is a batch of its own.
    OneRow,
    /// Three subtasks.
    Parallel,
    /// In every step a crash behind the step, back to a checkpoint before it.
    Crash,
    /// As [`Mode::Crash`], with three and two subtasks in turn.
    Rescale,
}

impl Mode {
    pub const ALL: [Mode; 5] = [Mode::Written, Mode::OneRow, Mode::Parallel, Mode::Crash, Mode::Rescale];

    /// Whether the lines must be the written ones, and not only their net effect.
    pub fn is_exact(self) -> bool {
        self == Mode::Written
    }

    pub(crate) fn crashes(self) -> bool {
        matches!(self, Mode::Crash | Mode::Rescale)
    }

    /// What the planner plans for.
    pub(crate) fn planned_parallelism(self) -> usize {
        if matches!(self, Mode::Parallel | Mode::Rescale) { 3 } else { 1 }
    }

    /// What the job runs at after so many restarts.
    pub(crate) fn parallelism(self, restarts: usize) -> usize {
        match self {
            Mode::Rescale => 3 - restarts % 2,
            _ => self.planned_parallelism(),
        }
    }

    pub(crate) fn batch_rows(self) -> usize {
        if self == Mode::OneRow { 1 } else { 8192 }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mode::Written => "as written",
            Mode::OneRow => "one-row batches",
            Mode::Parallel => "parallelism 3",
            Mode::Crash => "crash and restore",
            Mode::Rescale => "crash and rescale",
        })
    }
}
