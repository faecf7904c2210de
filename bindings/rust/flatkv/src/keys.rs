// SPDX-License-Identifier: Apache-2.0
//! External keys, as they stand in change sets and as `get` and `get_many` take them.

use crate::{Address, Slot};

pub(crate) const STORAGE: u8 = 0x03;
pub(crate) const CODE: u8 = 0x07;
pub(crate) const CODE_HASH: u8 = 0x08;
pub(crate) const NONCE: u8 = 0x0a;
pub(crate) const BALANCE: u8 = 0x21;

fn of_account(kind: u8, address: &Address) -> [u8; 21] {
    let mut key = [kind; 21];
    key[1..].copy_from_slice(address);
    key
}

/// Of a nonce: 8 bytes, big-endian.
pub fn nonce(address: &Address) -> [u8; 21] {
    of_account(NONCE, address)
}
/// Of a balance: 32 bytes, big-endian; absent if zero.
pub fn balance(address: &Address) -> [u8; 21] {
    of_account(BALANCE, address)
}
/// Of a code hash: 32 bytes; absent if there is no code.
pub fn code_hash(address: &Address) -> [u8; 21] {
    of_account(CODE_HASH, address)
}
/// Of code.
pub fn code(address: &Address) -> [u8; 21] {
    of_account(CODE, address)
}
/// Of a slot.
pub fn storage(address: &Address, slot: &Slot) -> [u8; 53] {
    let mut key = [STORAGE; 53];
    key[1..21].copy_from_slice(address);
    key[21..].copy_from_slice(slot);
    key
}
