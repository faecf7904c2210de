// SPDX-License-Identifier: Apache-2.0
use crate::error::{Database, Error, ErrorCode, Result};
use crate::state::{Range, State};
use crate::{Address, Slot, Word, keys};

/// The writes of one block, packed as they cross to the library, in one piece.
///
/// ```
/// let mut block = flatkv::Block::new();
/// block.set_nonce(&[0xaa; 20], 8).set_storage(&[0xbb; 20], &[0; 32], &[1; 32]);
/// # assert!(!block.is_empty());
/// ```
///
/// Later writes of a field or slot win over earlier ones. A value of zero is a removal, as in the
/// EVM: the slot is absent afterwards, and a field of an account resets. Nothing is checked here:
/// `apply` refuses what it does not take, the whole block. Functions panic where a key, a value or
/// the number of writes is 4 GiB or more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Block {
    bytes: Vec<u8>,
    /// Where the number of pairs of the last change set stands.
    open: Option<usize>,
}

impl Block {
    /// An empty block.
    pub fn new() -> Self {
        Self::default()
    }
    /// One that has room for so many bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Block { bytes: Vec::with_capacity(bytes), open: None }
    }
    /// Whether there is no write.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
    /// Starts anew with the memory that is there.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.open = None;
    }

    /// Sets an account's nonce.
    pub fn set_nonce(&mut self, address: &Address, nonce: u64) -> &mut Self {
        self.field(keys::NONCE, address, &nonce.to_be_bytes())
    }
    /// Sets an account's balance, a big-endian number.
    pub fn set_balance(&mut self, address: &Address, balance: &Word) -> &mut Self {
        self.field(keys::BALANCE, address, balance)
    }
    /// Sets a slot.
    pub fn set_storage(&mut self, address: &Address, slot: &Slot, value: &Word) -> &mut Self {
        if value == &[0; 32] {
            return self.put(1, &[&[keys::STORAGE], address, slot], &[]);
        }
        self.put(0, &[&[keys::STORAGE], address, slot], value)
    }
    /// Sets code and its hash, the Keccak-256 of it, which is not compared. Empty code removes
    /// both.
    pub fn set_code(&mut self, address: &Address, code: &[u8], code_hash: &Word) -> &mut Self {
        if code.is_empty() {
            self.put(1, &[&[keys::CODE], address], &[]);
            return self.set_code_hash(address, &[0; 32]);
        }
        self.put(0, &[&[keys::CODE], address], code).set_code_hash(address, code_hash)
    }
    /// Sets the code hash alone, where the code itself is kept elsewhere.
    pub fn set_code_hash(&mut self, address: &Address, code_hash: &Word) -> &mut Self {
        self.field(keys::CODE_HASH, address, code_hash)
    }

    /// Removes nonce, balance, code hash and code. With [`AccountRows::Keep`](crate::AccountRows)
    /// the account's row stays, as zeros, and is made if it was absent. Slots stay, too.
    pub fn remove_account(&mut self, address: &Address) -> &mut Self {
        for kind in [keys::NONCE, keys::BALANCE, keys::CODE_HASH, keys::CODE] {
            self.put(1, &[&[kind], address], &[]);
        }
        self
    }

    /// Removes the slots of an account that `state` shows, and only those: one removal for each,
    /// since there is no delete of a range. On an error nothing was written.
    pub fn remove_storage<S: State>(&mut self, address: &Address, state: &S) -> Result<&mut Self> {
        let mut rows = state.iterate(Database::Storage, Range::prefix(address))?;
        let mut slots: Vec<Vec<u8>> = Vec::new();
        while let Some((key, _)) = rows.row()? {
            slots.push(key.to_vec());
            rows.next()?;
        }
        for slot in slots {
            self.put(1, &[&[keys::STORAGE], &slot], &[]);
        }
        Ok(self)
    }

    /// Sets an external key, as it stands in change sets.
    pub fn set(&mut self, key: &[u8], value: &[u8]) -> &mut Self {
        self.put(0, &[key], value)
    }
    /// Deletes an external key.
    pub fn delete(&mut self, key: &[u8]) -> &mut Self {
        self.put(1, &[key], &[])
    }
    /// Begins a change set of this module, to which all writes belong until the next one is begun.
    /// A block begins with `evm` by itself. Sets of other modules are ignored by the store.
    pub fn module(&mut self, name: &str) -> &mut Self {
        self.number(name.len());
        self.bytes.extend_from_slice(name.as_bytes());
        self.open = Some(self.bytes.len());
        self.number(0);
        self
    }

    fn field(&mut self, kind: u8, address: &Address, value: &[u8]) -> &mut Self {
        if value.iter().all(|&byte| byte == 0) {
            return self.put(1, &[&[kind], address], &[]);
        }
        self.put(0, &[&[kind], address], value)
    }

    fn put(&mut self, delete: u8, key: &[&[u8]], value: &[u8]) -> &mut Self {
        if self.open.is_none() {
            self.module("evm");
        }
        let at = self.open.expect("a change set was begun");
        let count = self.bytes[at..at + 4].try_into().expect("four bytes");
        let count = u32::from_le_bytes(count).checked_add(1).expect("fewer than 2^32 writes");
        self.bytes[at..at + 4].copy_from_slice(&count.to_le_bytes());
        self.bytes.push(delete);
        self.number(key.iter().map(|part| part.len()).sum());
        for part in key {
            self.bytes.extend_from_slice(part);
        }
        self.number(value.len());
        self.bytes.extend_from_slice(value);
        self
    }

    fn number(&mut self, value: usize) {
        let value = u32::try_from(value).expect("keys and values below 4 GiB");
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }
}

impl AsRef<[u8]> for Block {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// A write: a key with its new value, or without one where it is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Write<'a> {
    /// The name of the change set, such as `evm`.
    pub module: &'a str,
    /// The external key.
    pub key: &'a [u8],
    /// The new value.
    pub value: Option<&'a [u8]>,
}

/// The writes of a packed block, in order. `InvalidArgument` with the offset if the bytes are
/// none.
pub fn writes_of(packed: &[u8]) -> Result<Vec<Write<'_>>> {
    let mut input = Input { bytes: packed, at: 0 };
    let mut writes = Vec::new();
    while input.at < packed.len() {
        let at = input.at;
        let name = input.sized()?;
        let module = std::str::from_utf8(name).map_err(|_| refuse(at))?;
        for _ in 0..input.number()? {
            let at = input.at;
            let delete = input.take(1)?[0];
            let (key, value) = (input.sized()?, input.sized()?);
            let value = match delete {
                0 => Some(value),
                1 if value.is_empty() => None,
                _ => return Err(refuse(at)),
            };
            writes.push(Write { module, key, value });
        }
    }
    Ok(writes)
}

fn refuse(at: usize) -> Error {
    Error::at_offset(ErrorCode::InvalidArgument, "no packed change sets", at)
}

struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    fn take(&mut self, size: usize) -> Result<&'a [u8]> {
        let end = self.at.checked_add(size).filter(|&end| end <= self.bytes.len());
        let end = end.ok_or_else(|| refuse(self.at))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }
    fn number(&mut self) -> Result<usize> {
        let number = self.take(4)?.try_into().expect("four bytes");
        Ok(u32::from_le_bytes(number) as usize)
    }
    fn sized(&mut self) -> Result<&'a [u8]> {
        let size = self.number()?;
        self.take(size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packs_and_unpacks() {
        let mut block = Block::new();
        assert!(block.is_empty());
        block.set(b"k", b"v").set(b"e", b"").delete(b"k");
        block.module("bank").set(b"b", b"1");
        block.set_nonce(&[1; 20], 0).set_nonce(&[1; 20], 258);
        let writes = writes_of(block.as_ref()).unwrap();
        let evm = |key, value| Write { module: "evm", key, value };
        assert_eq!(writes[..3], [evm(b"k", Some(b"v")), evm(b"e", Some(b"")), evm(b"k", None),]);
        let key = [&[0x0a][..], &[1; 20]].concat();
        assert_eq!(
            writes[3..],
            [
                Write { module: "bank", key: b"b", value: Some(b"1") },
                Write { module: "bank", key: &key, value: None },
                Write { module: "bank", key: &key, value: Some(&[0, 0, 0, 0, 0, 0, 1, 2]) },
            ]
        );
        block.clear();
        assert!(block.is_empty() && writes_of(block.as_ref()).unwrap().is_empty());
    }

    #[test]
    fn bytes_that_are_no_block_are_refused() {
        let mut block = Block::new();
        block.set(b"key", b"value").delete(b"other");
        let good = block.as_ref();
        for length in 1..good.len() {
            assert!(writes_of(&good[..length]).is_err(), "{length} bytes");
        }
        let mut bad = good.to_vec();
        bad[11] = 2;
        let error = writes_of(&bad).unwrap_err();
        assert_eq!((error.code(), error.offset()), (ErrorCode::InvalidArgument, Some(11)));
        assert!(error.to_string().contains("11"));
    }
}
