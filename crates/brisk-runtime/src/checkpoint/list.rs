//! What lies in a directory of checkpoints, for people: good ones, and those that cannot be restored with the reason.

use brisk_core::Result;

use super::manifest::Manifest;
use super::store::{CheckpointStore, MANIFEST, directory};

#[derive(Debug)]
pub struct Listed {
    pub id: u64,
    pub path: String,
    /// Or why it is none. The files that a manifest names are not read.
    pub content: Result<Content, String>,
}

#[derive(Debug)]
pub struct Content {
    pub savepoint: bool,
    pub time_ms: i64,
    /// Of all files that it names, those of older checkpoints among them.
    pub bytes: u64,
    /// How many have state.
    pub operators: usize,
}

/// The checkpoints of a directory, oldest first; or the one savepoint that it is.
pub fn list(path: &str) -> Result<Vec<Listed>> {
    let store = CheckpointStore::open(path)?;
    if store.exists(MANIFEST)? {
        let content = store.get(MANIFEST).and_then(|bytes| Manifest::decode(&bytes));
        return Ok(vec![listed(content.as_ref().map_or(0, |m| m.id), path.to_owned(), content)]);
    }
    store.checkpoint_ids()?.into_iter().map(|id| of_directory(&store, id)).collect()
}

fn of_directory(store: &CheckpointStore, id: u64) -> Result<Listed> {
    let path = store.manifest_path(Some(id));
    if !store.exists(&format!("{}{MANIFEST}", directory(Some(id))))? {
        return Ok(Listed { id, path, content: Err("incomplete, or kept for files that newer ones need".to_owned()) });
    }
    Ok(listed(id, path, store.manifest(id)))
}

fn listed(id: u64, path: String, manifest: Result<Manifest>) -> Listed {
    let content = manifest.map_err(|e| e.message).map(|m| Content {
        savepoint: m.savepoint,
        time_ms: m.time_ms,
        bytes: m.files().map(|f| f.bytes).sum(),
        operators: m.operators.iter().filter(|o| o.has_state()).count(),
    });
    Listed { id, path, content }
}
