// SPDX-License-Identifier: Apache-2.0
//! The functions, in the order of the header.
use super::*;

unsafe extern "C" {
    pub fn flatkv_free(handle: *mut c_void);
    pub fn flatkv_version_text() -> *const c_char;
    pub fn flatkv_error_code(error: *const flatkv_error) -> u32;
    pub fn flatkv_code_name(code: u32) -> *const c_char;
    pub fn flatkv_error_message(error: *const flatkv_error) -> *const c_char;
    pub fn flatkv_error_text(error: *const flatkv_error) -> *const c_char;
    pub fn flatkv_error_path(error: *const flatkv_error) -> *const c_char;
    pub fn flatkv_error_database(error: *const flatkv_error, database: *mut u32) -> u32;
    pub fn flatkv_error_version(error: *const flatkv_error, version: *mut i64) -> u32;
    pub fn flatkv_error_offset(error: *const flatkv_error, offset: *mut u64) -> u32;
    pub fn flatkv_remedies(store: *const c_char, out: *mut *mut flatkv_buffer) -> *mut flatkv_error;
    pub fn flatkv_buffer_data(buffer: *const flatkv_buffer) -> *const u8;
    pub fn flatkv_buffer_size(buffer: *const flatkv_buffer) -> usize;
    pub fn flatkv_options_new(out: *mut *mut flatkv_options) -> *mut flatkv_error;
    pub fn flatkv_options_set(
        options: *mut flatkv_options, option: u32, value: u64,
    ) -> *mut flatkv_error;
    pub fn flatkv_options_scratch(
        options: *mut flatkv_options, directory: *const c_char,
    ) -> *mut flatkv_error;
    pub fn flatkv_options_strict_module(
        options: *mut flatkv_options, name: *const c_char,
    ) -> *mut flatkv_error;
    pub fn flatkv_options_log(
        options: *mut flatkv_options, callback: flatkv_log_callback, user: *mut c_void,
    ) -> *mut flatkv_error;
    pub fn flatkv_options_on_durable(
        options: *mut flatkv_options, callback: flatkv_durable_callback, user: *mut c_void,
    ) -> *mut flatkv_error;
    pub fn flatkv_options_progress(
        options: *mut flatkv_options, callback: flatkv_progress_callback, user: *mut c_void,
    ) -> *mut flatkv_error;
    pub fn flatkv_stop_new(out: *mut *mut flatkv_stop) -> *mut flatkv_error;
    pub fn flatkv_stop_request(stop: *mut flatkv_stop);
    pub fn flatkv_options_stop(
        options: *mut flatkv_options, stop: *const flatkv_stop,
    ) -> *mut flatkv_error;
    pub fn flatkv_options_executor(
        options: *mut flatkv_options, threads: u32, run: flatkv_run_callback, user: *mut c_void,
    ) -> *mut flatkv_error;
    pub fn flatkv_create(path: *const c_char, options: *const flatkv_options) -> *mut flatkv_error;
    pub fn flatkv_open(
        path: *const c_char, options: *const flatkv_options, out: *mut *mut flatkv_store,
    ) -> *mut flatkv_error;
    pub fn flatkv_open_reader(
        path: *const c_char, options: *const flatkv_options, out: *mut *mut flatkv_reader,
    ) -> *mut flatkv_error;
    pub fn flatkv_open_report_get(
        store: *const flatkv_store, out: *mut flatkv_open_report,
    ) -> *mut flatkv_error;
    pub fn flatkv_close(store: *mut flatkv_store) -> *mut flatkv_error;
    pub fn flatkv_apply(
        target: *mut flatkv_working, changes: *const u8, size: usize,
    ) -> *mut flatkv_error;
    pub fn flatkv_working_roots(
        target: *const flatkv_working, out: *mut flatkv_roots,
    ) -> *mut flatkv_error;
    pub fn flatkv_discard(target: *mut flatkv_working) -> *mut flatkv_error;
    pub fn flatkv_commit(
        store: *mut flatkv_store, version: i64, out: *mut flatkv_roots,
    ) -> *mut flatkv_error;
    pub fn flatkv_apply_commit(
        store: *mut flatkv_store, changes: *const u8, size: usize, version: i64,
        out: *mut flatkv_roots,
    ) -> *mut flatkv_error;
    pub fn flatkv_version(state: *const flatkv_state) -> i64;
    pub fn flatkv_initial_version(store: *const flatkv_store) -> i64;
    pub fn flatkv_account_rows(state: *const flatkv_state) -> u32;
    pub fn flatkv_committed_roots(
        state: *const flatkv_state, out: *mut flatkv_roots,
    ) -> *mut flatkv_error;
    pub fn flatkv_durable_version(store: *const flatkv_store) -> i64;
    pub fn flatkv_wait_durable(store: *mut flatkv_store, version: i64) -> *mut flatkv_error;
    pub fn flatkv_flush(store: *mut flatkv_store) -> *mut flatkv_error;
    pub fn flatkv_snapshot(store: *mut flatkv_store) -> *mut flatkv_error;
    pub fn flatkv_rollback(store: *mut flatkv_store, version: i64) -> *mut flatkv_error;
    pub fn flatkv_rollback_path(
        path: *const c_char, version: i64, options: *const flatkv_options,
    ) -> *mut flatkv_error;
    pub fn flatkv_view_new(
        state: *const flatkv_state, out: *mut *mut flatkv_view,
    ) -> *mut flatkv_error;
    pub fn flatkv_view_at(
        store: *const flatkv_store, version: i64, out: *mut *mut flatkv_view,
    ) -> *mut flatkv_error;
    pub fn flatkv_overlay_new(
        below: *mut flatkv_working, out: *mut *mut flatkv_overlay,
    ) -> *mut flatkv_error;
    pub fn flatkv_commit_overlay(
        store: *mut flatkv_store, overlay: *mut flatkv_overlay, version: i64,
        out: *mut flatkv_roots,
    ) -> *mut flatkv_error;
    pub fn flatkv_get(
        state: *const flatkv_state, key: *const u8, key_size: usize, into: *mut u8,
        capacity: usize, size: *mut i64,
    ) -> *mut flatkv_error;
    pub fn flatkv_row(
        state: *const flatkv_state, database: u32, key: *const u8, key_size: usize,
        into: *mut u8, capacity: usize, size: *mut i64,
    ) -> *mut flatkv_error;
    pub fn flatkv_storage(
        state: *const flatkv_state, address: *const u8, slot: *const u8, into: *mut u8,
        capacity: usize, size: *mut i64,
    ) -> *mut flatkv_error;
    pub fn flatkv_code(
        state: *const flatkv_state, address: *const u8, into: *mut u8, capacity: usize,
        size: *mut i64,
    ) -> *mut flatkv_error;
    pub fn flatkv_account(
        state: *const flatkv_state, address: *const u8, out: *mut flatkv_account_fields,
        exists: *mut u32,
    ) -> *mut flatkv_error;
    pub fn flatkv_get_many(
        state: *const flatkv_state, keys: *const flatkv_bytes, count: usize,
        out: *mut *mut flatkv_buffer,
    ) -> *mut flatkv_error;
    pub fn flatkv_prefetch(
        target: *const flatkv_working, keys: *const flatkv_bytes, count: usize,
    ) -> *mut flatkv_error;
    pub fn flatkv_iterate(
        state: *const flatkv_state, database: u32, prefix: flatkv_bytes, start: flatkv_bytes,
        end: flatkv_bytes, out: *mut *mut flatkv_iterator,
    ) -> *mut flatkv_error;
    pub fn flatkv_iterator_move(
        iterator: *mut flatkv_iterator, how: u32, key: flatkv_bytes, valid: *mut u32,
    ) -> *mut flatkv_error;
    pub fn flatkv_iterator_row(
        iterator: *const flatkv_iterator, key: *mut flatkv_bytes, value: *mut flatkv_bytes,
        valid: *mut u32,
    ) -> *mut flatkv_error;
    pub fn flatkv_iterator_batch(
        iterator: *mut flatkv_iterator, rows: u32, bytes: usize, out: *mut *mut flatkv_buffer,
    ) -> *mut flatkv_error;
    pub fn flatkv_block_info_get(
        block: *const flatkv_block, out: *mut flatkv_block_info,
    ) -> *mut flatkv_error;
    pub fn flatkv_block_changes(
        block: *const flatkv_block, out: *mut *mut flatkv_buffer,
    ) -> *mut flatkv_error;
    pub fn flatkv_changes_new(
        store: *const flatkv_store, from: i64, to: i64, out: *mut *mut flatkv_changes,
    ) -> *mut flatkv_error;
    pub fn flatkv_changes_next(
        changes: *mut flatkv_changes, out: *mut *mut flatkv_block,
    ) -> *mut flatkv_error;
    pub fn flatkv_subscribe(
        store: *mut flatkv_store, options: *const flatkv_subscribe_options,
        out: *mut *mut flatkv_subscription,
    ) -> *mut flatkv_error;
    pub fn flatkv_subscription_next(
        subscription: *mut flatkv_subscription, milliseconds: i64, out: *mut *mut flatkv_block,
    ) -> *mut flatkv_error;
    pub fn flatkv_subscription_cursor(
        subscription: *const flatkv_subscription, out: *mut *mut flatkv_buffer,
    ) -> *mut flatkv_error;
    pub fn flatkv_subscription_acknowledge(
        subscription: *mut flatkv_subscription, cursor: *const u8, size: usize,
    ) -> *mut flatkv_error;
    pub fn flatkv_named_cursors(
        store: *const flatkv_store, out: *mut *mut flatkv_buffer,
    ) -> *mut flatkv_error;
    pub fn flatkv_drop_cursor(store: *mut flatkv_store, name: *const c_char) -> *mut flatkv_error;
    pub fn flatkv_verify(
        state: *const flatkv_state, options: *const flatkv_options, out: *mut *mut flatkv_report,
    ) -> *mut flatkv_error;
    pub fn flatkv_report_good(report: *const flatkv_report) -> u32;
    pub fn flatkv_report_count(report: *const flatkv_report) -> usize;
    pub fn flatkv_report_verdict(
        report: *const flatkv_report, index: usize, out: *mut flatkv_verdict,
    ) -> *mut flatkv_error;
    pub fn flatkv_scrub(
        store: *mut flatkv_store, rows: u64, out: *mut flatkv_scrub_status,
    ) -> *mut flatkv_error;
    pub fn flatkv_scrub_status_get(
        store: *const flatkv_store, out: *mut flatkv_scrub_status,
    ) -> *mut flatkv_error;
    pub fn flatkv_hash(
        state: *const flatkv_state, database: u32, out: *mut u8,
    ) -> *mut flatkv_error;
    pub fn flatkv_hash_add(into: *mut u8, other: *const u8) -> *mut flatkv_error;
    pub fn flatkv_hash_subtract(from: *mut u8, other: *const u8) -> *mut flatkv_error;
    pub fn flatkv_hash_checksum(hash: *const u8, out: *mut u8) -> *mut flatkv_error;
    pub fn flatkv_diff(
        a: *const flatkv_view, b: *const flatkv_view, each: flatkv_difference_callback,
        user: *mut c_void, options: *const flatkv_options,
    ) -> *mut flatkv_error;
    pub fn flatkv_repair(
        path: *const c_char, databases: u32, stream_file: *const c_char,
        options: *const flatkv_options, out: *mut *mut flatkv_repairs,
    ) -> *mut flatkv_error;
    pub fn flatkv_repairs_count(repairs: *const flatkv_repairs) -> usize;
    pub fn flatkv_repairs_get(
        repairs: *const flatkv_repairs, index: usize, out: *mut flatkv_repair_result,
    ) -> *mut flatkv_error;
    pub fn flatkv_repairs_damage(
        repairs: *const flatkv_repairs, index: usize, out: *mut *mut flatkv_error,
    ) -> *mut flatkv_error;
    pub fn flatkv_export(
        view: *const flatkv_view, write: flatkv_write_callback, user: *mut c_void,
        options: *const flatkv_options,
    ) -> *mut flatkv_error;
    pub fn flatkv_import(
        path: *const c_char, read: flatkv_read_callback, user: *mut c_void,
        trusted: *const flatkv_roots, options: *const flatkv_options, version: *mut i64,
    ) -> *mut flatkv_error;
    pub fn flatkv_importer_new(
        path: *const c_char, options: *const flatkv_options, out: *mut *mut flatkv_importer,
    ) -> *mut flatkv_error;
    pub fn flatkv_importer_add(
        importer: *mut flatkv_importer, database: u32, rows: *const u8, size: usize,
    ) -> *mut flatkv_error;
    pub fn flatkv_importer_finish(
        importer: *mut flatkv_importer, version: i64, trusted: *const flatkv_roots,
        out: *mut flatkv_roots,
    ) -> *mut flatkv_error;
    pub fn flatkv_importer_abort(importer: *mut flatkv_importer);
    pub fn flatkv_metrics_get(
        store: *const flatkv_store, out: *mut flatkv_metrics,
    ) -> *mut flatkv_error;
}
