//! A function as a row of a table: its name, how it binds and how it evaluates.

use std::fmt;
use std::sync::Arc;

use arrow_array::ArrayRef;
use brisk_core::Result;

use super::{Argument, Call, ScalarFunction, Signature};
use crate::Columnar;

/// A function made of two plain functions. `evaluate` gives one value a row (one in all where all arguments are
/// constants).
#[derive(Clone, Copy)]
pub struct Builtin {
    name: &'static str,
    aliases: &'static [&'static str],
    bind: fn(&[Argument]) -> Result<Signature>,
    evaluate: fn(&Call<'_>) -> Result<ArrayRef>,
    is_deterministic: bool,
    is_safe: bool,
    cost: u32,
}

impl Builtin {
    pub const fn new(name: &'static str, bind: fn(&[Argument]) -> Result<Signature>, evaluate: fn(&Call<'_>) -> Result<ArrayRef>) -> Self {
        Self { name, aliases: &[], bind, evaluate, is_deterministic: true, is_safe: false, cost: 10 }
    }

    pub const fn aliases(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    /// Equal arguments may give other results.
    pub const fn volatile(mut self) -> Self {
        self.is_deterministic = false;
        self
    }

    /// No argument makes it fail.
    pub const fn safe(mut self) -> Self {
        self.is_safe = true;
        self
    }

    /// See [`ScalarFunction::cost`].
    pub const fn costs(mut self, cost: u32) -> Self {
        self.cost = cost;
        self
    }

    pub fn shared(self) -> Arc<dyn ScalarFunction> {
        Arc::new(self)
    }
}

impl fmt::Debug for Builtin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl ScalarFunction for Builtin {
    fn name(&self) -> &'static str {
        self.name
    }

    fn aliases(&self) -> &'static [&'static str] {
        self.aliases
    }

    fn bind(&self, args: &[Argument]) -> Result<Signature> {
        (self.bind)(args).map_err(|e| e.context(self.name))
    }

    fn is_deterministic(&self) -> bool {
        self.is_deterministic
    }

    fn is_safe(&self) -> bool {
        self.is_safe
    }

    fn cost(&self) -> u32 {
        self.cost
    }

    fn evaluate(&self, call: &Call<'_>) -> Result<Columnar> {
        (self.evaluate)(call).map(Columnar::Array)
    }
}
