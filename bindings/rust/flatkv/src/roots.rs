// SPDX-License-Identifier: Apache-2.0
use std::fmt;

use flatkv_sys as sys;

use crate::Digest;
use crate::error::{Result, check};

/// The five checksums of a version. Whoever must be convinced compares all of them: the root alone
/// does not say in which database a row lies.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Roots {
    /// Of the whole state.
    pub root: Digest,
    /// Of the accounts.
    pub account: Digest,
    /// Of the code.
    pub code: Digest,
    /// Of the storage.
    pub storage: Digest,
    /// Of all other keys.
    pub legacy: Digest,
}

impl Roots {
    pub(crate) fn made(
        call: impl FnOnce(*mut sys::flatkv_roots) -> *mut sys::flatkv_error,
    ) -> Result<Self> {
        let mut raw = sys::flatkv_roots::default();
        check(call(&mut raw))?;
        Ok(Self::from_raw(&raw))
    }

    pub(crate) fn from_raw(raw: &sys::flatkv_roots) -> Self {
        let &sys::flatkv_roots { root, account, code, storage, legacy } = raw;
        Roots { root, account, code, storage, legacy }
    }

    pub(crate) fn to_raw(self) -> sys::flatkv_roots {
        let Roots { root, account, code, storage, legacy } = self;
        sys::flatkv_roots { root, account, code, storage, legacy }
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = out.debug_struct("Roots");
        let fields = [
            ("root", &self.root),
            ("account", &self.account),
            ("code", &self.code),
            ("storage", &self.storage),
            ("legacy", &self.legacy),
        ];
        for (name, digest) in fields {
            text.field(name, &format_args!("{}", Hex(digest)));
        }
        text.finish()
    }
}

struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}
