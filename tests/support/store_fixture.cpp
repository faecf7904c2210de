// SPDX-License-Identifier: Apache-2.0
#include "support/store_fixture.hpp"

#include <stdexcept>

namespace flatkv::test {

void StoreFixture::open() {
  options_.create_if_missing = true;
  Result<CommitStore> opened = try_open();
  // Without a store the rest makes no sense: end the test.
  if (!opened) throw std::runtime_error("open: " + opened.error().to_string());
  store_.emplace(std::move(*opened));
}

Result<CommitStore> StoreFixture::try_open() {
  store_.reset();
  return CommitStore::open(path(), options_);
}

void StoreFixture::close() {
  if (!store_) return;
  EXPECT_OK(store_->close());
  store_.reset();
}

void StoreFixture::block(const std::vector<Changes>& applies) {
  ASSERT_TRUE(store_);
  ASSERT_TRUE(commit_both(*store_, model_, applies));
}

void StoreFixture::blocks(std::int64_t count) {
  for (std::int64_t i = 0; i < count && !HasFatalFailure(); ++i) {
    block(script_block(seed_, model_.version() + 1));
  }
}

void StoreFixture::check() {
  ASSERT_TRUE(store_);
  ASSERT_TRUE(store_is(*store_, model_.committed()));
}

void StoreFixture::check_and_go_on() {
  check();
  if (!HasFatalFailure()) blocks(3);
  if (!HasFatalFailure()) check();
}

void StoreFixture::save_database(std::string_view database) {
  copy_tree(working(path(), database), aside("db-" + std::string(database)));
}

void StoreFixture::restore_database(std::string_view database) {
  copy_tree(aside("db-" + std::string(database)), working(path(), database));
  remove_clean(path());
}

std::int64_t StoreFixture::flushed(std::string_view database) const {
  return flushed_version(working(path(), database), database == "metadata").value_or(-1);
}

::testing::AssertionResult StoreFixture::all_flushed_at(std::int64_t version) const {
  for (const char* name : kNames) {
    if (flushed(name) != version) {
      return ::testing::AssertionFailure() << name << " is at " << flushed(name);
    }
  }
  return ::testing::AssertionSuccess();
}

}  // namespace flatkv::test
