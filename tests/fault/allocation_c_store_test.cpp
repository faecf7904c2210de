// SPDX-License-Identifier: Apache-2.0
// The Nth allocation fails in those functions of flatkv/flatkv.h that change a store (N3): it goes
// on or refuses, and opens again. A sample of N; FLATKV_FAULT_FULL=1: all, or with FLATKV_PART=I/M
// every Mth.
#include "allocation_c.hpp"

namespace flatkv::test {
namespace {

TEST_F(AllocationInC, N3_Writing) {
  const Bytes& block = blocks_[kBlocks + 1];
  flatkv_roots roots{};
  const auto aside = [&](flatkv_store* store, flatkv_overlay** made) {
    flatkv_overlay* parent = nullptr;
    flatkv_error* error = flatkv_overlay_new(store, &parent);
    if (error == nullptr) error = flatkv_apply(parent, block.data(), block.size());
    if (error == nullptr) error = flatkv_overlay_new(parent, made);
    if (error == nullptr) error = flatkv_apply(*made, block.data(), block.size());
    if (error == nullptr) error = flatkv_working_roots(*made, &roots);
    flatkv_free(parent);
    return error;
  };
  fail_all(
      {
          {"apply", writing([&](flatkv_store* store) {
             flatkv_error* error = flatkv_apply(store, block.data(), block.size());
             if (error == nullptr) error = flatkv_discard(store);
             return error;
           })},
          {"working_roots", writing([&](flatkv_store* store) {
             flatkv_error* error = flatkv_apply(store, block.data(), block.size());
             if (error == nullptr) error = flatkv_working_roots(store, &roots);
             if (error == nullptr) error = flatkv_discard(store);
             return error;
           })},
          {"commit", writing([&](flatkv_store* store) {
             flatkv_error* error = flatkv_apply(store, block.data(), block.size());
             if (error == nullptr) error = flatkv_commit(store, kBlocks + 1, &roots);
             return error;
           })},
          {"apply_commit",
           writing([&](flatkv_store* store) { return commit(store, kBlocks + 1); })},
          {"overlays", writing([&](flatkv_store* store) {
             flatkv_overlay* made = nullptr;
             flatkv_error* error = aside(store, &made);
             flatkv_free(made);
             return error;
           })},
          {"commit_overlay", writing([&](flatkv_store* store) {
             flatkv_overlay* made = nullptr;
             flatkv_error* error = aside(store, &made);
             if (error == nullptr) {
               error = flatkv_commit_overlay(store, made, kBlocks + 2, &roots);
             }
             flatkv_free(made);
             return error;
           })},
          {"flush", writing([&](flatkv_store* store) {
             flatkv_error* error = commit(store, kBlocks + 1);
             return error == nullptr ? flatkv_flush(store) : error;
           })},
          {"snapshot", writing([&](flatkv_store* store) { return flatkv_snapshot(store); })},
          {"rollback", writing([&](flatkv_store* store) { return flatkv_rollback(store, 2); }, 2)},
          {"close", writing([&](flatkv_store* store) { return flatkv_close(store); })},
      },
      Of::sample);
}

TEST_F(AllocationInC, N3_WholeStores) {
  const auto open = [&](flatkv_error* error, void* made) {
    flatkv_free(made);
    return error;
  };
  Bytes row;
  put_length(row, 3);
  put_length(row, 5);
  row.insert(row.end(), 8, 0x61);
  const auto import_rows = [&]() -> flatkv_error* {
    flatkv_importer* importer = nullptr;
    flatkv_error* error = flatkv_importer_new(own_.c_str(), options_, &importer);
    if (error == nullptr) {
      error = flatkv_importer_add(importer, FLATKV_LEGACY, row.data(), row.size());
    }
    if (error == nullptr) error = flatkv_importer_finish(importer, kBlocks, nullptr, nullptr);
    flatkv_free(importer);
    return error;
  };
  const auto import_stream = [&] {
    ByteView left = stream_;
    std::int64_t version = 0;
    return flatkv_import(own_.c_str(), read, &left, nullptr, options_, &version);
  };
  fail_all(
      {
          {"create", on_path([&] { return flatkv_create(own_.c_str(), options_); }, false, 0, 0)},
          {"open", on_path([&] {
             flatkv_store* made = nullptr;
             flatkv_error* error = flatkv_open(own_.c_str(), options_, &made);
             return open(error, made);
           })},
          {"open_reader", on_path([&] {
             flatkv_reader* made = nullptr;
             flatkv_error* error = flatkv_open_reader(own_.c_str(), options_, &made);
             return open(error, made);
           })},
          {"rollback_path",
           on_path([&] { return flatkv_rollback_path(own_.c_str(), 2, options_); }, true, 2)},
          {"repair", on_path([&] {
             flatkv_repairs* made = nullptr;
             auto result = sized<flatkv_repair_result>();
             flatkv_error* damage = nullptr;
             flatkv_error* error =
                 flatkv_repair(own_.c_str(), 1U << FLATKV_CODE, nullptr, options_, &made);
             if (error == nullptr) error = flatkv_repairs_get(made, 0, &result);
             if (error == nullptr) error = flatkv_repairs_damage(made, 0, &damage);
             flatkv_free(damage);
             return open(error, made);
           })},
          {"import", on_path(import_stream, false)},
          {"import over a store", on_path(import_stream)},
          {"importer", on_path(import_rows, false)},
          {"importer over a store", on_path(import_rows)},
      },
      Of::sample);
}

TEST_F(AllocationInC, N3_TheErrorItself) {
  EXPECT_GT(fail_each("a wrong handle",
                      alone([] { return flatkv_close(static_cast<flatkv_store*>(nullptr)); }),
                      Of::all, FLATKV_INVALID_ARGUMENT),
            0U);
  EXPECT_GT(fail_each("malformed", alone([&] {
                        return flatkv_apply(store_, blocks_[1].data(), blocks_[1].size() - 1);
                      }),
                      Of::all, FLATKV_INVALID_ARGUMENT),
            0U);
  // The store knows nothing of it.
  good(commit(store_, kBlocks + 1));
}

}  // namespace
}  // namespace flatkv::test
