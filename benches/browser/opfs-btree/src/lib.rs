//! The crate `opfs-btree`, callable from JavaScript: as thin as can be.

use opfs_btree::{BTreeError, BTreeOptions, OpfsBTree, OpfsFile};
use wasm_bindgen::prelude::*;

/// One open tree in a file of the Origin Private File System.
#[wasm_bindgen]
pub struct Tree(OpfsBTree<OpfsFile>);

#[wasm_bindgen]
impl Tree {
    /// Opens a tree with the crate's own settings (pages of 16 KiB, a cache of 32 MiB), or makes it.
    pub async fn open(name: &str) -> Result<Tree, JsError> {
        Ok(Tree(OpfsBTree::open(OpfsFile::open(name).await?, BTreeOptions::default())?))
    }

    /// Sets a value, in memory until the next checkpoint.
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), JsError> {
        Ok(self.0.put(key, value)?)
    }

    /// Deletes a key, in memory until the next checkpoint.
    pub fn delete(&mut self, key: &[u8]) -> Result<(), JsError> {
        Ok(self.0.delete(key)?)
    }

    /// Writes and syncs everything.
    pub fn checkpoint(&mut self) -> Result<(), JsError> {
        Ok(self.0.checkpoint()?)
    }

    /// The value of a key.
    pub fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, JsError> {
        Ok(self.0.get(key)?)
    }

    /// Keys and values of a range: each with its length (`u32`, little-endian) before it.
    pub fn range(&mut self, start: &[u8], end: &[u8], limit: usize) -> Result<Vec<u8>, JsError> {
        let mut bytes = Vec::new();
        for (key, value) in self.0.range(start, end, limit)? {
            for part in [key, value] {
                let len = u32::try_from(part.len()).map_err(|_| BTreeError::Io("too long".into()))?;
                bytes.extend_from_slice(&len.to_le_bytes());
                bytes.extend_from_slice(&part);
            }
        }
        Ok(bytes)
    }
}
