// SPDX-License-Identifier: Apache-2.0
//! A block on an overlay: the beacon root, transactions, withdrawals.

use crate::cases::{Block, Transaction};
use crate::chain::timed;
use crate::collision::NodeEvm;
use flatkv::Overlay;
use flatkv::revm::StateDb;
use revm::context::{BlockEnv, TxEnv};
use revm::context_interface::transaction::{AccessList, AccessListItem};
use revm::primitives::hardfork::SpecId;
use revm::primitives::{Address, B256, StorageKey, StorageValue, TxKind, U256, address, eip4844};
use revm::state::{Account, AccountInfo, Bytecode, EvmState};
use revm::{Context, Database, MainBuilder, MainContext};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// The contract that keeps beacon roots (EIP-4788).
const BEACON_ROOTS: Address = address!("000F3df6D732807Ef1319fB7B8bB8522d0Beac02");
const GWEI: u64 = 1_000_000_000;

/// Executes a block. The overlay with what it changes, and the gas that it used.
pub fn execute(
    overlay: Overlay,
    block: &Block,
    fork: &str,
    hashes: &BTreeMap<u64, B256>,
    store: &Cell<Duration>,
) -> Outcome<(Overlay, u64)> {
    let spec = spec_of(fork)?;
    let db = TimedDb { db: StateDb::new(overlay).with_block_hashes(hashes.clone()), store };
    let context = Context::mainnet()
        .with_db(db)
        .modify_cfg_chained(|cfg| cfg.set_spec_and_mainnet_gas_params(spec))
        .with_block(environment(block));
    let mut evm = NodeEvm(context.build_mainnet());

    if spec.is_enabled_in(SpecId::CANCUN) {
        let changes = evm.system_call(BEACON_ROOTS, block.beacon_root.0.into())?;
        evm.0.ctx.journaled_state.database.write(&changes)?;
    }
    let mut gas_used = 0;
    for (index, transaction) in block.txs.iter().enumerate() {
        if gas_used + transaction.gas > block.gas_limit {
            return Err(format!("transaction {index}: beyond the gas of the block").into());
        }
        let (result, changes) = evm
            .transact(transaction_of(transaction)?)
            .map_err(|error| format!("transaction {index}: {error}"))?;
        gas_used += result.tx_gas_used();
        evm.0.ctx.journaled_state.database.write(&changes)?;
    }
    let mut db = evm.0.ctx.journaled_state.database;
    for withdrawal in &block.withdrawals {
        db.give(withdrawal.address, U256::from(withdrawal.amount) * U256::from(GWEI))?;
    }
    Ok((db.db.into_state()?, gas_used))
}

fn spec_of(fork: &str) -> Outcome<SpecId> {
    match fork {
        "Merge" | "Paris" => Ok(SpecId::MERGE),
        "Shanghai" => Ok(SpecId::SHANGHAI),
        "Cancun" => Ok(SpecId::CANCUN),
        _ => Err(format!("the rules of {fork} are not known here").into()),
    }
}

fn environment(block: &Block) -> BlockEnv {
    let mut environment = BlockEnv {
        number: U256::from(block.number),
        beneficiary: block.coinbase,
        timestamp: U256::from(block.timestamp),
        gas_limit: block.gas_limit,
        basefee: block.base_fee,
        prevrandao: Some(block.prev_randao),
        ..BlockEnv::default()
    };
    let fraction = eip4844::BLOB_BASE_FEE_UPDATE_FRACTION_CANCUN;
    environment.set_blob_excess_gas_and_price(block.excess_blob_gas, fraction);
    environment
}

fn transaction_of(from: &Transaction) -> Outcome<TxEnv> {
    let price = |price: Option<U256>| -> Outcome<u128> {
        let price = price.ok_or("a transaction without its price")?;
        Ok(price.try_into().map_err(|_| "a price above 128 bits")?)
    };
    let dynamic = from.kind == 2;
    let slots = |access: &crate::cases::Access| AccessListItem {
        address: access.address,
        storage_keys: access.slots.clone(),
    };
    Ok(TxEnv {
        tx_type: match from.kind {
            0..=2 => from.kind as u8,
            kind => return Err(format!("transactions of type {kind} are not known here").into()),
        },
        caller: from.from,
        gas_limit: from.gas,
        gas_price: price(if dynamic { from.max_fee } else { from.gas_price })?,
        gas_priority_fee: if dynamic { Some(price(from.max_priority)?) } else { None },
        kind: from.to.map_or(TxKind::Create, TxKind::Call),
        value: from.value,
        data: from.data.clone(),
        nonce: from.nonce,
        chain_id: Some(1),
        access_list: AccessList(from.access_list.iter().map(slots).collect()),
        ..TxEnv::default()
    })
}

/// The database of a block, with the time that it takes.
pub struct TimedDb<'a> {
    db: StateDb<Overlay>,
    store: &'a Cell<Duration>,
}

impl TimedDb<'_> {
    fn write(&mut self, changes: &EvmState) -> flatkv::Result<()> {
        timed(self.store, || self.db.write(changes))
    }

    /// Whether an account has slots (EIP-7610).
    pub fn has_storage(&self, address: &Address) -> flatkv::Result<bool> {
        timed(self.store, || self.db.has_storage(address))
    }

    /// Adds to a balance.
    fn give(&mut self, address: Address, amount: U256) -> flatkv::Result<()> {
        let mut info = self.basic(address)?.unwrap_or_default();
        info.balance += amount;
        let account = Account::default().with_info(info).with_touched_mark();
        self.write(&EvmState::from_iter([(address, account)]))
    }
}

impl Database for TimedDb<'_> {
    type Error = flatkv::Error;

    fn basic(&mut self, address: Address) -> flatkv::Result<Option<AccountInfo>> {
        timed(self.store, || self.db.basic(address))
    }
    fn code_by_hash(&mut self, code_hash: B256) -> flatkv::Result<Bytecode> {
        timed(self.store, || self.db.code_by_hash(code_hash))
    }
    fn storage(&mut self, address: Address, slot: StorageKey) -> flatkv::Result<StorageValue> {
        timed(self.store, || self.db.storage(address, slot))
    }
    fn block_hash(&mut self, number: u64) -> flatkv::Result<B256> {
        self.db.block_hash(number)
    }
}
