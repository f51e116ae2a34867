//! What the thread of a `Db` fails at reaches its callers.

use crate::child::Role;

pub(crate) const ROLES: &[Role] = &[];
