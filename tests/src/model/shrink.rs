//! Making a failing program small.

use super::step::Step;

/// Leaves out steps for as long as the rest still fails: halves first, then smaller parts, then single steps. Returns the
/// shortest that failed and what `fails` said of it.
pub fn shrink(
    program: &[Step],
    said: String,
    fails: &mut dyn FnMut(&[Step]) -> Option<String>,
) -> (Vec<Step>, String) {
    const ATTEMPTS: usize = 2_000;
    let (mut best, mut said, mut attempts) = (program.to_vec(), said, 0);
    let mut part = best.len().div_ceil(2);
    while 0 < part {
        let mut start = 0;
        let mut better = false;
        while start < best.len() && attempts < ATTEMPTS {
            let end = (start + part).min(best.len());
            let mut shorter = best.clone();
            shorter.drain(start..end);
            attempts += 1;
            match fails(&shorter) {
                Some(what) => {
                    (best, said, better) = (shorter, what, true);
                }
                None => start = end,
            }
        }
        // Single steps are tried until none can go: what one needed may have gone with another.
        part = if part == 1 && better { 1 } else { part / 2 };
    }
    (best, said)
}
