// SPDX-License-Identifier: Apache-2.0
//! A chain of blocks on a store: committed, in competition, undone, and stacked.

use crate::cases::{Block, Case, Withdrawal, World};
use crate::{evm, world};
use flatkv::{AccountRows, Durability, ErrorCode, Options, Overlay, Roots, Store, Working};
use revm::primitives::{Address, B256};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::error::Error;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What executing and committing took.
#[derive(Default)]
pub struct Work {
    pub blocks: u64,
    pub all: Duration,
    /// Of it, in calls of the store.
    pub store: Cell<Duration>,
}

type Outcome<T> = Result<T, Box<dyn Error>>;

/// A block without writes, to which the store goes back before each test.
const EMPTY: i64 = 1;
/// The state before the blocks of a test. Each block is the next version.
const GENESIS: i64 = 2;

/// A store for one test after the other.
pub struct Node {
    store: Store,
    mode: AccountRows,
    empty: Roots,
    _folder: TempDir,
}

impl Node {
    pub fn new(mode: AccountRows) -> Outcome<Self> {
        let folder = tempfile::Builder::new().prefix("flatkv-revm-node-").tempdir()?;
        let options = Options::new()
            .create_if_missing(true)
            .account_rows(mode)
            .strict(true)
            .durability(Durability::Process)
            .write_buffer_bytes(4 << 20)
            .row_cache_bytes(1 << 20)
            .rollback_depth(256) // so that undos take no new databases
            .threads(1);
        let mut store = Store::open(folder.path().join("store"), &options)?;
        let empty = store.commit(EMPTY)?;
        Ok(Node { store, mode, empty, _folder: folder })
    }

    /// Runs a test. An error says what was not as it should be.
    pub fn run(&mut self, case: &Case, work: &mut Work) -> Outcome<()> {
        self.store.discard()?;
        self.store.rollback(EMPTY)?;
        if self.store.committed_roots()? != self.empty {
            return Err("the store is not empty before the test".into());
        }
        let genesis = self.store.apply_commit(world::genesis(&case.pre), GENESIS)?;
        let mut hashes = BTreeMap::new();
        if let Some(first) = case.blocks.first() {
            hashes.insert(first.number.saturating_sub(1), case.genesis_hash);
        }
        hashes.extend(case.blocks.iter().map(|block| (block.number, block.hash)));
        let mut chain =
            Chain { case, mode: self.mode, store: &mut self.store, genesis, hashes, work };
        chain.is(&case.pre, "before")?;
        let roots = chain.straight()?;
        chain.is(&case.post, "after")?;
        chain.undo()?;
        chain.in_competition(&roots)?;
        chain.is(&case.post, "after competition")?;
        chain.undo()?;
        chain.stacked(&roots)?;
        chain.is(&case.post, "after stacked blocks")
    }

    /// All rows are hashed anew, and the store is closed.
    pub fn close(self) -> Outcome<()> {
        if !self.store.verify(&Options::new())?.good {
            return Err("the store does not verify".into());
        }
        Ok(self.store.close()?)
    }
}

struct Chain<'a> {
    case: &'a Case,
    mode: AccountRows,
    store: &'a mut Store,
    genesis: Roots,
    hashes: BTreeMap<u64, B256>,
    work: &'a mut Work,
}

impl Chain<'_> {
    /// Block for block; the roots after each.
    fn straight(&mut self) -> Outcome<Vec<Roots>> {
        let case = self.case;
        case.blocks
            .iter()
            .map(|block| self.execute(block, None).and_then(|it| self.commit(it)))
            .collect()
    }

    /// Each block has a rival with the same parent, which loses.
    fn in_competition(&mut self, expected: &[Roots]) -> Outcome<()> {
        for (block, expected) in self.case.blocks.iter().zip(expected) {
            let rival = self.rival(block, None)?;
            let overlay = self.execute(block, None)?;
            if rival.working_roots()? == overlay.working_roots()? {
                return Err(format!("block {}: the rival is no other block", block.number).into());
            }
            let roots = self.commit(overlay)?;
            same(block, &roots, expected)?;
            match rival.working_roots() {
                Err(error) if error.code() == ErrorCode::Stale => {}
                other => return Err(format!("the rival that lost: {other:?}").into()),
            }
        }
        Ok(())
    }

    /// Each block, and a rival, on a block that is not committed; the last one commits all.
    fn stacked(&mut self, expected: &[Roots]) -> Outcome<()> {
        let mut tip: Option<Overlay> = None;
        let mut losers = Vec::new();
        for (block, expected) in self.case.blocks.iter().zip(expected) {
            losers.push(self.rival(block, tip.as_ref())?);
            let next = self.execute(block, tip.as_ref())?;
            same(block, &next.working_roots()?, expected)?;
            tip = Some(next);
        }
        if let Some(tip) = tip {
            self.commit(tip)?;
        }
        Ok(())
    }

    /// On `parent`, or on the committed state.
    fn execute(&mut self, block: &Block, parent: Option<&Overlay>) -> Outcome<Overlay> {
        let (overlay, gas_used) = self.execute_any(block, parent)?;
        if gas_used != block.gas_used {
            let number = block.number;
            return Err(format!("block {number}: {gas_used} gas, not {}", block.gas_used).into());
        }
        Ok(overlay)
    }

    /// Another block with the same transactions and parent: later, by somebody else, who also gets a
    /// withdrawal.
    fn rival(&mut self, block: &Block, parent: Option<&Overlay>) -> Outcome<Overlay> {
        let mut rival = block.clone();
        rival.timestamp += 1;
        rival.coinbase = Address::repeat_byte(0xc0);
        rival.withdrawals.push(Withdrawal { address: rival.coinbase, amount: 1 });
        Ok(self.execute_any(&rival, parent)?.0)
    }

    fn execute_any(&mut self, block: &Block, parent: Option<&Overlay>) -> Outcome<(Overlay, u64)> {
        let begin = Instant::now();
        let overlay = timed(&self.work.store, || match parent {
            Some(parent) => parent.child(),
            None => self.store.overlay(),
        })?;
        let fork = &self.case.fork;
        let executed = evm::execute(overlay, block, fork, &self.hashes, &self.work.store)
            .map_err(|error| format!("block {}: {error}", block.number))?;
        self.work.all += begin.elapsed();
        self.work.blocks += 1;
        Ok(executed)
    }

    fn commit(&mut self, mut overlay: Overlay) -> Outcome<Roots> {
        let begin = Instant::now();
        let version = flatkv::State::version(&overlay);
        let roots = timed(&self.work.store, || self.store.commit_overlay(&mut overlay, version))?;
        self.work.all += begin.elapsed();
        Ok(roots)
    }

    fn undo(&mut self) -> Outcome<()> {
        self.store.rollback(GENESIS)?;
        if self.store.committed_roots()? != self.genesis {
            return Err("other roots after the undo".into());
        }
        self.is(&self.case.pre, "after the undo")
    }

    /// The whole state is this one.
    fn is(&self, expected: &World, when: &str) -> Outcome<()> {
        let found = world::read(&*self.store, self.mode)?;
        match world::difference(&found, &world::without_nothing(expected)) {
            Some(difference) => Err(format!("{when}: {difference}").into()),
            None => Ok(()),
        }
    }
}

fn same(block: &Block, found: &Roots, expected: &Roots) -> Outcome<()> {
    if found == expected {
        return Ok(());
    }
    Err(format!("block {}: {found:?}, and before {expected:?}", block.number).into())
}

/// Runs a call of the store, and adds how long it took.
pub fn timed<T>(store: &Cell<Duration>, call: impl FnOnce() -> T) -> T {
    let begin = Instant::now();
    let result = call();
    store.set(store.get() + begin.elapsed());
    result
}
