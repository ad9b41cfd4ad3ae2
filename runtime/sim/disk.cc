#include "runtime/sim/disk.h"

#include <algorithm>
#include <cstring>

namespace muster::sim {
namespace {

constexpr std::size_t kSector = 512;

}  // namespace

// --- what happens to it -----------------------------------------------------------------------------

void Disk::Apply(std::string& content, const Change& change) {
  if (change.cut) {
    content.resize(static_cast<std::size_t>(*change.cut));
    return;
  }
  const auto end = static_cast<std::size_t>(change.offset) + change.data.size();
  if (content.size() < end) content.resize(end);
  content.replace(static_cast<std::size_t>(change.offset), change.data.size(), change.data);
}

void Disk::LosePower() {
  // Some disks had written nearly everything, some nearly nothing.
  const double arrives = random_.Chance(0.3) ? 0 : random_.Uniform();
  for (auto file = files_.begin(); file != files_.end();) {
    File& one = file->second;
    for (const Change& change : one.unsynced) {
      if (change.cut) {
        if (random_.Chance(arrives)) Apply(one.stored, change);
        continue;
      }
      const bool grows = random_.Chance(0.5);  // the size may arrive without the data
      const auto size = static_cast<std::size_t>(change.offset) + change.data.size();
      if (grows && one.stored.size() < size && arrives > 0) one.stored.resize(size);
      for (std::size_t at = 0; at < change.data.size();) {
        const std::size_t place = static_cast<std::size_t>(change.offset) + at;
        const std::size_t length = std::min(change.data.size() - at, kSector - place % kSector);
        if (random_.Chance(arrives))
          Apply(one.stored, {static_cast<std::int64_t>(place), change.data.substr(at, length), {}});
        at += length;
      }
    }
    one.unsynced.clear();
    if (!one.named && !random_.Chance(arrives)) {
      file = files_.erase(file);
      continue;
    }
    if (one.removed && random_.Chance(0.5)) {
      file = files_.erase(file);
      continue;
    }
    one.removed = false;
    one.named = true;
    one.now = one.stored;
    ++file;
  }
}

void Disk::Restart() {
  dead_ = false;
  dies_at_.reset();
}

/// Counts a change; true when it is the one that the process does not live to see.
bool Disk::Dies() {
  if (dies_at_ && changes_ >= *dies_at_) dead_ = true;
  if (!dead_) ++changes_;
  return dead_;
}

bool Disk::Fails(Failure failure) {
  const bool fails = failing_ && failing_->failure == failure && random_.Chance(failing_->chance);
  failed_ = failed_ || fails;
  return fails;
}

// --- what a process does ----------------------------------------------------------------------------

Disk::File* Disk::Find(const std::string& name) {
  const auto found = files_.find(name);
  return found == files_.end() || found->second.removed ? nullptr : &found->second;
}

void Disk::Create(const std::string& name) {
  // What had the name before and was removed does not come back.
  if (Find(name) == nullptr) files_[name] = {};
}

bool Disk::Exists(const std::string& name) const {
  const auto found = files_.find(name);
  return found != files_.end() && !found->second.removed;
}

Disk::Result Disk::Read(const std::string& name, std::int64_t offset, char* data, std::int64_t size,
                        std::int64_t& got) {
  const File* file = Find(name);
  if (dead_ || file == nullptr || Fails(Failure::kRead)) return Result::kError;
  const auto length = static_cast<std::int64_t>(file->now.size());
  got = std::clamp<std::int64_t>(length - offset, 0, size);
  if (got > 0) std::memcpy(data, file->now.data() + offset, static_cast<std::size_t>(got));
  return Result::kOk;
}

Disk::Result Disk::Write(const std::string& name, std::int64_t offset, std::string_view data) {
  File* file = Find(name);
  if (dead_ || file == nullptr) return Result::kError;
  const bool dies = Dies();
  const bool full = Fails(Failure::kFull) && offset + static_cast<std::int64_t>(data.size()) >
                                                 static_cast<std::int64_t>(file->now.size());
  const bool broken = Fails(Failure::kWrite);
  // A write that does not end well may have gone some way.
  if (dies || full || broken) data = data.substr(0, random_.Below(data.size() + 1));
  if (!data.empty()) {
    Change change{offset, std::string(data), {}};
    Apply(file->now, change);
    file->unsynced.push_back(std::move(change));
  }
  if (dies || broken) return Result::kError;
  return full ? Result::kFull : Result::kOk;
}

Disk::Result Disk::Truncate(const std::string& name, std::int64_t size) {
  File* file = Find(name);
  if (dead_ || file == nullptr || Dies()) return Result::kError;
  file->unsynced.push_back({0, {}, size});
  Apply(file->now, file->unsynced.back());
  return Result::kOk;
}

Disk::Result Disk::Sync(const std::string& name) {
  File* file = Find(name);
  if (dead_ || file == nullptr || Dies()) return Result::kError;
  if (Fails(Failure::kSync)) {
    if (random_.Chance(0.5)) file->unsynced.clear();
    return Result::kError;
  }
  for (const Change& change : file->unsynced) Apply(file->stored, change);
  file->unsynced.clear();
  if (!file->named) SyncFolder();
  return Result::kOk;
}

void Disk::SyncFolder() {
  std::erase_if(files_, [](const auto& entry) { return entry.second.removed; });
  for (auto& [name, file] : files_) file.named = true;
}

Disk::Result Disk::Remove(const std::string& name, bool sync_folder) {
  File* file = Find(name);
  if (dead_ || Dies()) return Result::kError;
  if (file == nullptr) return Result::kOk;
  file->removed = true;
  file->unsynced.clear();
  if (sync_folder) SyncFolder();
  return Result::kOk;
}

std::int64_t Disk::SizeOf(const std::string& name) const {
  const auto found = files_.find(name);
  return found == files_.end() ? 0 : static_cast<std::int64_t>(found->second.now.size());
}

}  // namespace muster::sim
