// SPDX-License-Identifier: Apache-2.0
use std::fmt;
use std::ops::{AddAssign, SubAssign};

use flatkv_sys as sys;

use crate::Digest;
use crate::error::{Result, check};

/// The lattice hash of a set of rows: 1024 numbers of 16 bits, little-endian. They are added and
/// subtracted one by one, which joins sets of rows and takes one out of another. A root is the
/// checksum of the sum of the four databases' hashes.
///
/// ```
/// # use flatkv::{Block, Database, LtHash, Options, Store};
/// # fn main() -> flatkv::Result<()> {
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("store");
/// # let mut store = Store::open(&path, &Options::new().create_if_missing(true))?;
/// # let roots = store.apply_commit(Block::new().set_nonce(&[1; 20], 1), 1)?;
/// let mut sum = LtHash::default();
/// for database in Database::DATA {
///     sum += &store.lt_hash(database)?;
/// }
/// assert_eq!(sum.checksum(), roots.root);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct LtHash(Box<[u8; sys::FLATKV_HASH_BYTES]>);

impl LtHash {
    pub(crate) fn made(call: impl FnOnce(*mut u8) -> *mut sys::flatkv_error) -> Result<Self> {
        let mut hash = LtHash::default();
        check(call(hash.0.as_mut_ptr()))?;
        Ok(hash)
    }

    /// The numbers.
    pub fn as_bytes(&self) -> &[u8; sys::FLATKV_HASH_BYTES] {
        &self.0
    }

    /// Its BLAKE3-256: what a roots line has.
    pub fn checksum(&self) -> Digest {
        let mut digest = Digest::default();
        // SAFETY: the library reads and writes as many bytes as these have; so below.
        let returned = unsafe { sys::flatkv_hash_checksum(self.0.as_ptr(), digest.as_mut_ptr()) };
        check(returned).expect("both are there");
        digest
    }
}

/// Of no rows.
impl Default for LtHash {
    fn default() -> Self {
        LtHash(Box::new([0; sys::FLATKV_HASH_BYTES]))
    }
}

impl From<[u8; sys::FLATKV_HASH_BYTES]> for LtHash {
    fn from(numbers: [u8; sys::FLATKV_HASH_BYTES]) -> Self {
        LtHash(Box::new(numbers))
    }
}

impl AddAssign<&LtHash> for LtHash {
    fn add_assign(&mut self, other: &LtHash) {
        // SAFETY: as above.
        let returned = unsafe { sys::flatkv_hash_add(self.0.as_mut_ptr(), other.0.as_ptr()) };
        check(returned).expect("both are there");
    }
}

impl SubAssign<&LtHash> for LtHash {
    fn sub_assign(&mut self, other: &LtHash) {
        // SAFETY: as above.
        let returned = unsafe { sys::flatkv_hash_subtract(self.0.as_mut_ptr(), other.0.as_ptr()) };
        check(returned).expect("both are there");
    }
}

impl fmt::Debug for LtHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("LtHash(..)")
    }
}
