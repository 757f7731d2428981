//! What becomes of a checkpoint's state under a graph, before anything runs: who keeps theirs, who begins without, and
//! whose is left behind.

use brisk_core::graph::{Node, StreamGraph};
use brisk_core::{Error, Result};

use super::manifest::OperatorManifest;
use super::restore::{self, RestorePoint};
use crate::job::Restore;
use crate::plan::unique_ids;
use crate::status::Restored;

/// A checkpoint against a graph.
#[derive(Debug)]
pub struct Comparison {
    pub checkpoint: Restored,
    /// Those of the graph in its order, then what the checkpoint has besides.
    pub operators: Vec<OperatorState>,
}

#[derive(Debug, PartialEq, Eq)]
pub struct OperatorState {
    pub operator_id: String,
    pub name: String,
    /// What it computes; of state that is lost nothing is known.
    pub description: Option<String>,
    pub fate: Fate,
    /// Of its keyed state in the checkpoint.
    pub bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Goes on with what the checkpoint has.
    Keeps,
    /// Has state that the checkpoint does not know: begins without, and builds it from what comes.
    Rebuilds,
    /// Is in the checkpoint alone: its state is left behind.
    Loses,
}

/// `path`: a checkpoint or savepoint, or a directory of checkpoints (the newest good one).
pub fn compare(graph: &StreamGraph, path: &str) -> Result<Comparison> {
    let point = restore::find(&Restore::Path(path.to_owned()), None)?.ok_or_else(|| Error::invalid(format!("no checkpoint at {path}")))?;
    Ok(compare_with(graph, point))
}

fn compare_with(graph: &StreamGraph, point: RestorePoint) -> Comparison {
    let ids = unique_ids(graph);
    let mut operators: Vec<OperatorState> = graph.nodes.iter().zip(&ids).filter_map(|(node, id)| of_graph(node, id, &point)).collect();
    let lost = point.unknown_operators(&|id| ids.iter().any(|own| own == id));
    operators.extend(lost.into_iter().map(|o| OperatorState {
        operator_id: o.operator_id.clone(),
        name: o.name.clone(),
        description: None,
        fate: Fate::Loses,
        bytes: bytes(o),
    }));
    Comparison { checkpoint: point.info, operators }
}

/// `None` for a node without state.
fn of_graph(node: &Node, id: &str, point: &RestorePoint) -> Option<OperatorState> {
    let known = point.manifest.operator(id);
    let fate = match known {
        Some(o) if node.state.is_some() || o.has_state() => Fate::Keeps,
        None if node.state.is_some() => Fate::Rebuilds,
        _ => return None,
    };
    let description = Some(node.description.clone());
    Some(OperatorState { operator_id: id.to_owned(), name: node.name.clone(), description, fate, bytes: known.map_or(0, bytes) })
}

fn bytes(operator: &OperatorManifest) -> u64 {
    operator.subtasks.iter().flat_map(|s| &s.files).map(|f| f.bytes).sum()
}
