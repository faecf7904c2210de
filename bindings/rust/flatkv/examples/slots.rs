// SPDX-License-Identifier: Apache-2.0
//! benchmarks/bindings/slots.cpp in Rust; keep them alike.
//!
//!     cargo run --release --example slots -- DIR ROWS BLOCKS GETS sync|process

use flatkv::{Block, Durability, Options, State, Store};
use std::time::Instant;

const WRITES: u64 = 1000;
const LOAD_WRITES: u64 = 10_000;
const WARM_ROWS: u64 = 4096;

fn mixed(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

fn key_of(row: u64) -> [u8; 53] {
    let mut key = [0; 53];
    key[0] = 0x03;
    key[21..29].copy_from_slice(&mixed(row).to_be_bytes());
    key
}

struct Run {
    store: Store,
    block: Block,
    rows: u64,
    drawn: u64,
}

impl Run {
    fn draw(&mut self) -> u64 {
        self.drawn += 1;
        mixed(self.drawn)
    }

    /// Commits a block of new rows, or of as many new ones as others.
    fn commit(&mut self, writes: u64, load: bool) -> flatkv::Result<()> {
        self.block.clear();
        for i in 0..writes {
            let row = if load || i % 2 == 1 {
                self.rows += 1;
                self.rows - 1
            } else {
                self.draw() % self.rows
            };
            let mut value = [0; 32];
            value[..8].copy_from_slice(&self.draw().to_be_bytes());
            self.block.set(&key_of(row), &value);
        }
        self.store.apply_commit(&self.block, self.store.version() + 1)?;
        Ok(())
    }
}

fn main() -> flatkv::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, folder, rows, blocks, gets, durability] = arguments.as_slice() else {
        eprintln!("usage: slots DIR ROWS BLOCKS GETS sync|process");
        std::process::exit(2);
    };
    let number = |text: &str| -> u64 { text.parse().expect("a number") };
    let (rows, blocks, gets) = (number(rows), number(blocks), number(gets));
    let durability = if durability == "sync" { Durability::Sync } else { Durability::Process };
    let options = Options::new().create_if_missing(true).durability(durability);
    let store = Store::open(folder, &options)?;
    let mut run = Run { store, block: Block::new(), rows: 0, drawn: 0 };
    for _ in (0..rows).step_by(LOAD_WRITES as usize) {
        run.commit(LOAD_WRITES, true)?;
    }

    let mut times = Vec::new();
    for _ in 0..blocks {
        let begin = Instant::now();
        run.commit(WRITES, false)?;
        times.push(begin.elapsed().as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);

    let view = run.store.view()?;
    let warm: Vec<_> = (0..WARM_ROWS).map(key_of).collect();
    for key in &warm {
        view.get(key)?;
    }
    let mut bytes = 0;
    let begin = Instant::now();
    for i in 0..gets {
        bytes += view.get(&warm[(mixed(i) % WARM_ROWS) as usize])?.map_or(0, |value| value.len());
    }
    let get = begin.elapsed().as_secs_f64() * 1e9 / gets as f64;
    assert_eq!(bytes as u64, gets * 32);
    let median = times[times.len() / 2];
    println!("{{\"language\": \"Rust\", \"block_us\": {median}, \"get_ns\": {get}}}");
    drop(view);
    run.store.close()?;
    Ok(())
}
