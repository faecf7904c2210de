#include "store/group_sync.hpp"

#include <limits>

namespace flatkv::store {

GroupSync::GroupSync(changelog::Writer& log, Fault& fault,
                     std::function<void(std::int64_t)> on_durable)
    : log_(log),
      fault_(fault),
      on_durable_(std::move(on_durable)),
      appended_(log.synced()),
      told_(appended_),
      thread_([this] { run(); }) {}

GroupSync::~GroupSync() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

Status GroupSync::appended(std::int64_t version, std::uint32_t most) {
  std::unique_lock lock(mutex_);
  appended_ = version;
  wake_.notify_all();
  synced_.wait(lock, [&] { return fault_.failed() || version - log_.synced() <= most; });
  return fault_.check();
}

Status GroupSync::wait(std::int64_t version) {
  std::unique_lock lock(mutex_);
  synced_.wait(lock, [&] { return fault_.failed() || log_.synced() >= version; });
  return log_.synced() >= version ? Status{} : fault_.check();
}

void GroupSync::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    // Compared with what was told, not with what is durable: a flush or a new segment syncs the log
    // too, and whoever waits here has to hear of it.
    wake_.wait(lock, [&] { return stop_ || appended_ > told_; });
    if (appended_ <= told_) return;
    lock.unlock();
    Status done = fault_.check();
    if (done) done = log_.sync();
    const std::int64_t durable = log_.synced();
    if (!done) fault_.set(done.error());
    if (done && on_durable_) on_durable_(durable);
    lock.lock();
    // After a failure nothing more is synced; those who wait look at the fault.
    told_ = done ? durable : std::numeric_limits<std::int64_t>::max();
    synced_.notify_all();
  }
}

}  // namespace flatkv::store
