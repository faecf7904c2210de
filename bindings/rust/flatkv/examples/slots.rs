// SPDX-License-Identifier: Apache-2.0
//! The workload `slots` of `flatkv bench`, block for block, so that the two can run in turn:
//! equal arguments give equal roots.
//!
//!     cargo run --release --example slots -- [--rows N] [--writes N] [--updates PERCENT]
//!         [--blocks N] [--warm-up N] [--seed N] [--dir FOLDER]

use flatkv::{Block, Durability, Options, Store};
use std::time::{Duration, Instant};

const ROWS_PER_CONTRACT: u64 = 100;
const ROWS_PER_LOAD: u64 = 10_000;

/// One step of SplitMix64.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

fn mix2(one: u64, other: u64) -> u64 {
    mix(mix(one) ^ other)
}

fn fill(bytes: &mut [u8], mut seed: u64) {
    for piece in bytes.chunks_mut(8) {
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        piece.copy_from_slice(&mix(seed).to_le_bytes()[..piece.len()]);
    }
}

struct Slots {
    rows: u64,
    writes: u64,
    updates: u64,
    seed: u64,
    known: u64,
    random: u64,
}

impl Slots {
    fn below(&mut self, count: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.random) % count
    }

    fn write(&mut self, block: &mut Block, row: u64) {
        let (mut address, mut slot, mut value) = ([0; 20], [0; 32], [0; 32]);
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        fill(&mut value, mix(self.random));
        let hash = mix2(self.seed, row);
        let contracts = (self.rows / ROWS_PER_CONTRACT).max(1);
        fill(&mut address, mix2(self.seed, hash % contracts + 1));
        fill(&mut slot, hash);
        block.set_storage(&address, &slot, &value);
    }

    fn load(&mut self, block: &mut Block) -> bool {
        block.clear();
        let end = self.rows.min(self.known + ROWS_PER_LOAD);
        for row in self.known..end {
            self.write(block, row);
        }
        self.known = end;
        !block.is_empty()
    }

    fn next(&mut self, block: &mut Block) {
        block.clear();
        for _ in 0..self.writes {
            let update = self.known != 0 && self.below(100) < self.updates;
            let row = if update { self.below(self.known) } else { self.known };
            self.known += u64::from(!update);
            self.write(block, row);
        }
    }
}

fn argument(name: &str, otherwise: u64) -> u64 {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.nth(1).map_or(otherwise, |text| text.parse().expect(name))
}

fn main() -> flatkv::Result<()> {
    let (seed, rows) = (argument("--seed", 1), argument("--rows", 1_000_000));
    let (blocks, warm_up) = (argument("--blocks", 2000), argument("--warm-up", 0));
    let writes = argument("--writes", 1000);
    let updates = argument("--updates", 50);
    let mut slots = Slots { rows, writes, updates, seed, known: 0, random: mix2(seed, 2) };
    let folder = std::env::args().skip_while(|argument| argument != "--dir").nth(1);
    let folder = folder.map_or_else(std::env::temp_dir, Into::into);
    let path = folder.join(format!("flatkv-slots-{}", std::process::id()));
    let options = Options::new().create_if_missing(true).durability(Durability::Process);
    let mut store = Store::open(&path, &options)?;
    let mut block = Block::new();
    while slots.load(&mut block) {
        store.apply_commit(&block, store.version() + 1)?;
    }
    store.flush()?;
    let mut times: Vec<Duration> = Vec::new();
    for number in 0..warm_up + blocks {
        slots.next(&mut block);
        let begin = Instant::now();
        store.apply_commit(&block, store.version() + 1)?;
        if number >= warm_up {
            times.push(begin.elapsed());
        }
    }
    let seconds = times.iter().sum::<Duration>().as_secs_f64();
    times.sort();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100].as_secs_f64() * 1e3;
    let roots = store.committed_roots()?;
    println!("{:.0} writes/s over {blocks} blocks", (blocks * writes) as f64 / seconds);
    println!("a block: p50 {:.3} ms, p99 {:.3} ms", at(50), at(99));
    println!("{roots:?}");
    store.close()?;
    let _ = std::fs::remove_dir_all(path);
    Ok(())
}
