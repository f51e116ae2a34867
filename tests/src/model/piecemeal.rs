//! Reading by halves and in parts says the same as reading whole: keys alone, values part by part, verifying in steps.

use bitcask_core::{Keys, Result, Value, VerifyReport};

use super::life::{Checked, Life};
use super::machine::Machine;
use super::state::{ExpectedScan, Item, KEYS, Span};

impl<S: Machine> Life<S> {
    pub(super) fn check_keys(&mut self, span: &Span) -> Checked {
        let keys = self.store()?.keys(span.range());
        let expected = self.now.scan(span);
        self.compare_keys(keys, expected)
    }

    pub(super) fn compare_keys(&mut self, keys: Keys<S>, mut expected: ExpectedScan) -> Checked {
        let found: Result<Vec<Vec<u8>>> = keys.collect();
        let Some(found) = self.excused(found)? else { return Ok(()) };
        let wanted: Vec<&[u8]> = std::iter::from_fn(|| {
            expected.next(self.now_ms).map(|(key, _)| KEYS[usize::from(key)])
        })
        .collect();
        if found != wanted {
            return Err(format!("a scan of keys gave {found:?} where {wanted:?} should be"));
        }
        Ok(())
    }

    /// A value in parts of some bytes, which go up and down.
    pub(super) fn compare_value(
        &mut self,
        value: Result<Option<Value<S>>>,
        expected: Option<&Item>,
    ) -> Checked {
        let Some(value) = self.excused(value)? else { return Ok(()) };
        let Some(mut value) = value else {
            return expected
                .map_or(Ok(()), |item| Err(format!("no value where {item:?} should be")));
        };
        let (len, mut bytes) = (value.len(), Vec::new());
        loop {
            let part = value.next_part(1 + bytes.len() % 7);
            match self.excused(part)? {
                Some(Some(part)) => bytes.extend_from_slice(&part),
                Some(None) => break,
                None => return Ok(()),
            }
        }
        let is_right = expected.is_some_and(|item| item.value.is(&bytes));
        if !is_right || len != bytes.len() as u64 {
            return Err(format!("{len} bytes in parts: {bytes:?} where {expected:?} should be"));
        }
        Ok(())
    }

    pub(super) fn check_verification(&mut self, whole: &VerifyReport) -> Checked {
        let mut verification = self.store()?.verifying().map_err(|error| error.to_string())?;
        let mut read = 0;
        loop {
            let step = verification.step(40);
            let Some(progress) = self.excused(step)? else { return Ok(()) };
            let Some(progress) = progress else { break };
            if progress.bytes_read <= read || progress.bytes_total < progress.bytes_read {
                return Err(format!("verifying went from {read} bytes to {progress:?}"));
            }
            read = progress.bytes_read;
        }
        let steps = verification.finish();
        if format!("{steps:?}") != format!("{whole:?}") && !self.notice_flips() {
            return Err(format!("verifying in steps: {steps:?} where {whole:?} should be"));
        }
        Ok(())
    }
}
