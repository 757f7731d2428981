//! Errors that people read, and what the runtime does about each.
//!
//! An [`Error`] says what failed, where in the script if anywhere, and what to do. Its [`ErrorKind`] is what the runtime
//! decides by: retry the task from the last checkpoint, or fail the job for good.

use std::fmt;

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub struct Error {
    pub kind: ErrorKind,
    /// One sentence: what failed and why.
    pub message: String,
    /// What the user can do instead.
    pub remedy: Option<String>,
    /// Where in the script.
    pub position: Option<Position>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The script is not valid (syntax, unknown name, wrong type, wrong option). Found before anything runs.
    Invalid,
    /// Valid Flink SQL that brisk does not take. Found before anything runs.
    Unsupported,
    /// A computation failed on a value (division by zero, a failing cast). Restarting gives the same.
    Compute,
    /// An input record cannot be decoded and its table says `fail`.
    BadRecord,
    /// The outside world failed (file, network, disk). Worth another try from the last checkpoint.
    External,
    /// A checkpoint or log on disk is damaged.
    Corrupt,
    /// The job was cancelled.
    Cancelled,
    /// brisk itself is wrong.
    Internal,
}

/// A place in a script. Line and column count from 1, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    /// The statement's number in the script, from 1.
    pub statement: usize,
    pub line: usize,
    pub column: usize,
}

impl Error {
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), remedy: None, position: None }
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    pub fn compute(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Compute, message)
    }

    pub fn bad_record(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::BadRecord, message)
    }

    pub fn external(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::External, message)
    }

    pub fn corrupt(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Corrupt, message)
    }

    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    pub fn with_remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// Sets the position unless a more precise one is known already.
    pub fn at(mut self, position: Position) -> Self {
        self.position.get_or_insert(position);
        self
    }

    /// Puts `context: ` before the message.
    pub fn context(mut self, context: impl fmt::Display) -> Self {
        self.message = format!("{context}: {}", self.message);
        self
    }

    /// Whether a restart from the last checkpoint may help.
    pub fn is_retryable(&self) -> bool {
        self.kind == ErrorKind::External
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(p) = self.position {
            write!(f, "statement {}, line {}, column {}: ", p.statement, p.line, p.column)?;
        }
        f.write_str(&self.message)?;
        match &self.remedy {
            Some(remedy) => write!(f, " ({remedy})"),
            None => Ok(()),
        }
    }
}

impl From<arrow_schema::ArrowError> for Error {
    /// Arrow's kernels fail on values (overflow, bad text); anything else is a bug of ours.
    fn from(e: arrow_schema::ArrowError) -> Self {
        use arrow_schema::ArrowError as A;
        match e {
            A::DivideByZero => Error::compute("division by zero"),
            A::ComputeError(m) | A::ArithmeticOverflow(m) | A::CastError(m) | A::ParseError(m) => Error::compute(m),
            A::IoError(m, _) => Error::external(m),
            other => Error::internal(other.to_string()),
        }
    }
}

impl From<std::io::Error> for Error {
    fn from(e: std::io::Error) -> Self {
        Error::external(e.to_string())
    }
}
