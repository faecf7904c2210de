// SPDX-License-Identifier: Apache-2.0
#include "commit/group_commit.hpp"

#include <algorithm>
#include <limits>

#include "base/guard.hpp"

namespace flatkv::commit {

GroupCommit::GroupCommit(changelog::Writer& log, state::PoisonLatch& fault,
                         std::function<void(std::int64_t)> on_durable)
    : log_(log),
      fault_(fault),
      on_durable_(std::move(on_durable)),
      appended_(log.synced()),
      told_(appended_),
      worker_("flatkv-sync", [this](const std::stop_token& stop) { run(stop); }) {}

Status GroupCommit::appended(std::int64_t version, std::uint32_t most) {
  std::unique_lock lock(mutex_);
  appended_ = version;
  wake_.notify_all();
  synced_.wait(lock, [&] { return fault_.failed() || version - log_.synced() <= most; });
  return fault_.check();
}

Status undone_meanwhile(std::int64_t version) {
  return fail(ErrorCode::stale, "the block was undone while its sync was waited for")
      .version(version);
}

Status GroupCommit::wait(std::int64_t version) {
  Waiter self{version};
  std::unique_lock lock(mutex_);
  if (version > appended_) return undone_meanwhile(version);
  waiters_.push_back(&self);
  synced_.wait(lock, [&] { return fault_.failed() || self.undone || log_.synced() >= version; });
  std::erase(waiters_, &self);
  if (self.undone) return undone_meanwhile(version);
  return log_.synced() >= version ? Status{} : fault_.check();
}

void GroupCommit::rewind(std::int64_t version) {
  std::unique_lock lock(mutex_);
  // First, or the thread would go on for ever: the log no longer reaches what it wants to tell of.
  appended_ = version;
  // What is being told of is durable; let that end, so that the callback hears nothing of undone
  // blocks after the undo.
  synced_.wait(lock, [&] { return !telling_; });
  told_ = std::min(told_, version);
  for (Waiter* waiter : waiters_) waiter->undone |= waiter->version > version;
  synced_.notify_all();
}

void GroupCommit::run(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (true) {
    // Compare with what was told, not with what is durable: a flush or a new segment syncs the log
    // too, and those who wait here must still be told.
    wake_.wait(lock, stop, [&] { return appended_ > told_; });
    if (appended_ <= told_) return;
    telling_ = true;
    lock.unlock();
    std::int64_t durable = 0;
    const Status done = sync_and_tell(durable);
    if (!done) fault_.set(done.error());
    lock.lock();
    // After a failure nothing more is synced; those who wait check the fault.
    telling_ = false;
    told_ = done ? durable : std::numeric_limits<std::int64_t>::max();
    synced_.notify_all();
  }
}

/// An exception of the callback fails the store like a failed sync.
Status GroupCommit::sync_and_tell(std::int64_t& durable) noexcept {
  return guarded([&]() -> Status {
    FLATKV_TRY(fault_.check());
    FLATKV_TRY(log_.sync());
    durable = log_.synced();
    if (on_durable_) on_durable_(durable);
    return {};
  });
}

}  // namespace flatkv::commit
