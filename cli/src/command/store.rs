//! STUB for type checking only.
#![allow(unused, clippy::all, reason = "stub")]
use super::arguments::{Reading, Writing};
use super::failure::Failure;
pub(crate) use bitcask_core::{Bytes, Error, Result};
pub(crate) fn is_locked(_: &Error) -> bool {
    false
}
#[derive(Clone, Copy)]
pub(crate) enum Create {
    IfMissing,
    Never,
}
#[derive(Default, Clone, Copy)]
pub(crate) struct WriteOptions {
    pub(crate) durability: Option<u8>,
    pub(crate) expires_at_ms: Option<u64>,
}
pub(crate) enum Conditional {
    Done(u64),
    Differs(Option<u64>),
}
pub(crate) struct Entry {
    pub(crate) key: Bytes,
    pub(crate) value: Bytes,
    pub(crate) version: u64,
    pub(crate) expires_at_ms: Option<u64>,
}
pub(crate) struct Range;
impl Range {
    pub(crate) fn all() -> Range {
        Range
    }
    pub(crate) fn and_prefix(self, _: &[u8]) -> Range {
        self
    }
    pub(crate) fn gt(self, _: &[u8]) -> Range {
        self
    }
    pub(crate) fn gte(self, _: &[u8]) -> Range {
        self
    }
    pub(crate) fn lt(self, _: &[u8]) -> Range {
        self
    }
    pub(crate) fn lte(self, _: &[u8]) -> Range {
        self
    }
    pub(crate) fn reverse(self) -> Range {
        self
    }
    pub(crate) fn limit(self, _: usize) -> Range {
        self
    }
}
pub(crate) struct Batch;
impl Batch {
    pub(crate) fn new() -> Batch {
        Batch
    }
    pub(crate) fn put(&mut self, k: &[u8], v: &[u8]) -> Result<&mut Batch> {
        Ok(self)
    }
    pub(crate) fn put_expiring(&mut self, k: &[u8], v: &[u8], a: u64) -> Result<&mut Batch> {
        Ok(self)
    }
    pub(crate) fn delete(&mut self, k: &[u8]) -> Result<&mut Batch> {
        Ok(self)
    }
    pub(crate) fn len(&self) -> usize {
        0
    }
    pub(crate) fn bytes(&self) -> usize {
        0
    }
    pub(crate) fn clear(&mut self) {}
}
pub(crate) struct Db;
impl Db {
    pub(crate) fn get_entry(&self, key: &[u8]) -> Result<Option<Entry>> {
        Err(Error::NoStore)
    }
    pub(crate) fn len(&self) -> u64 {
        0
    }
    pub(crate) fn put_with(&self, key: &[u8], value: &[u8], o: &WriteOptions) -> Result<u64> {
        Err(Error::NoStore)
    }
    pub(crate) fn put_if_absent(
        &self,
        key: &[u8],
        value: &[u8],
        o: &WriteOptions,
    ) -> Result<Conditional> {
        Err(Error::NoStore)
    }
    pub(crate) fn replace_if(
        &self,
        key: &[u8],
        v: u64,
        value: &[u8],
        o: &WriteOptions,
    ) -> Result<Conditional> {
        Err(Error::NoStore)
    }
    pub(crate) fn delete_if(&self, key: &[u8], v: u64, o: &WriteOptions) -> Result<Conditional> {
        Err(Error::NoStore)
    }
    pub(crate) fn delete(&self, key: &[u8]) -> Result<bool> {
        Err(Error::NoStore)
    }
    pub(crate) fn write(&self, b: &Batch, o: &WriteOptions) -> Result<Option<u64>> {
        Err(Error::NoStore)
    }
    pub(crate) fn scan(&self, r: Range) -> std::vec::IntoIter<Result<Entry>> {
        vec![].into_iter()
    }
}
pub(crate) fn reading<T>(
    a: &Reading,
    work: impl FnOnce(&Db) -> std::result::Result<T, Failure>,
) -> std::result::Result<T, Failure> {
    work(&Db)
}
pub(crate) fn writing<T>(
    a: &Writing,
    c: Create,
    work: impl FnOnce(&Db) -> std::result::Result<T, Failure>,
) -> std::result::Result<T, Failure> {
    work(&Db)
}
