// SPDX-License-Identifier: Apache-2.0
//! The declarations are those of the header: numbers and layouts as the C compiler sees them, and
//! of each function the name and how many arguments it takes.

use flatkv_sys::*;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::mem::{offset_of, size_of};
use std::path::PathBuf;
use std::process::{Command, Stdio};

fn include_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../include")
}

fn without_comments(text: &str) -> String {
    let mut rest = text;
    let mut kept = String::new();
    while let Some(begin) = rest.find("/*") {
        kept += &rest[..begin];
        let end = rest[begin..].find("*/").expect("a comment ends");
        rest = &rest[begin + end + 2..];
    }
    kept + rest
}

/// Names and numbers of arguments of what stands behind each `mark` and ends with a semicolon.
fn functions(text: &str, mark: &str) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for piece in text.split(mark).skip(1) {
        let Some(declaration) = piece.split(';').next() else { continue };
        let Some((head, arguments)) = declaration.split_once('(') else { continue };
        let name = head.rsplit([' ', '*', '\n']).next().expect("split gives one piece");
        if !name.starts_with("flatkv_") {
            continue;
        }
        let arguments = arguments.rsplit_once(')').expect("a parenthesis closes").0;
        let count = arguments.split(',').filter(|one| !matches!(one.trim(), "" | "void")).count();
        found.insert(name.to_owned(), count);
    }
    found
}

#[test]
fn functions_are_those_of_the_header() {
    let header = std::fs::read_to_string(include_folder().join("flatkv/flatkv.h")).unwrap();
    let of_header = functions(&without_comments(&header), "FLATKV_C_API");
    let of_crate = functions(include_str!("../src/functions.rs"), "pub fn");
    assert!(of_header.len() > 60, "the header was not understood");
    assert_eq!(of_crate, of_header);
}

macro_rules! layouts {
    ($program:ident: $($name:ident { $($field:ident)* })*) => {$(
        let size = size_of::<$name>();
        writeln!($program, "_Static_assert(sizeof({0}) == {size}, \"{0}\");", stringify!($name))
            .unwrap();
        $(
            let offset = offset_of!($name, $field);
            writeln!($program, "_Static_assert(offsetof({0}, {1}) == {offset}, \"{0}.{1}\");",
                stringify!($name), stringify!($field)).unwrap();
        )*
    )*};
}

#[test]
fn numbers_and_layouts_are_those_of_the_header() {
    let mut program = String::from("#include <flatkv/flatkv.h>\n#include <stddef.h>\n");
    let source = include_str!("../src/lib.rs");
    let mut numbers = 0;
    for line in source.lines() {
        let Some((name, value)) = line.trim().split_once(" = ") else { continue };
        let Some(value) = value.strip_suffix(';') else { continue };
        if name.starts_with("FLATKV_") {
            writeln!(program, "_Static_assert({name} == {value}, \"{name}\");").unwrap();
            numbers += 1;
        }
    }
    assert!(numbers > 60, "the numbers of the crate were not found");
    layouts! { program:
        flatkv_bytes { data size }
        flatkv_roots { root account code storage legacy }
        flatkv_account_fields { balance code_hash nonce }
        flatkv_block_info { size undo version chain roots payload_bytes payload_digest }
        flatkv_subscribe_options { size committed has_after after cursor depth name }
        flatkv_open_report { size clean backfilled truncated_log lost_log_tail
            rebuilt_working_copy rebuilt_metadata replayed_blocks }
        flatkv_repair_result { size database repaired source opens version source_version
            checksum }
        flatkv_verdict { size database good readable expected found expected_rows found_rows }
        flatkv_scrub_status { size round database rows findings failed_saves }
        flatkv_metrics { size undo_floor flushes flush_nanoseconds flushed_bytes log_bytes
            compaction_bytes buffer_memory view_memory recent_memory recent_versions
            superseded_bytes overlay_memory cache_memory cache_hits cache_misses key_filter_memory
            key_filter_answers ignored_change_sets commit_route commit_read commit_hash commit_log
            commit_buffer commit_publish commit_wait table_reads read_threads prefetch_asked
            prefetch_loaded prefetch_hit prefetch_dropped flushed }
        flatkv_flush_metrics { tables bytes nanoseconds }
    }
    let mut compiler = Command::new(std::env::var("CC").unwrap_or_else(|_| "cc".into()))
        .args(["-std=c11", "-fsyntax-only", "-x", "c", "-I"])
        .arg(include_folder())
        .arg("-")
        .stdin(Stdio::piped())
        .spawn()
        .expect("a C compiler");
    std::io::Write::write_all(&mut compiler.stdin.take().unwrap(), program.as_bytes()).unwrap();
    assert!(compiler.wait().unwrap().success(), "the compiler's messages name what differs");
}
