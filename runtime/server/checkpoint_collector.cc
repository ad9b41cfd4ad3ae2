#include "runtime/server/checkpoint_collector.h"

#include <algorithm>
#include <system_error>
#include <utility>

namespace muster::server {
namespace {

namespace fs = std::filesystem;

bool LeadsBelow(const fs::path& folder) {
  return !folder.empty() && folder.is_relative() &&
         std::ranges::none_of(folder, [](const fs::path& part) {
           return part.empty() || part == "." || part == "..";
         });
}

}  // namespace

CheckpointCollector::CheckpointCollector(fs::path root)
    : root_(std::move(root)), thread_([this] { Loop(); }) {}

CheckpointCollector::~CheckpointCollector() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void CheckpointCollector::Drop(std::vector<std::string> folders, Done done) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back({std::move(folders), std::move(done)});
  }
  wake_.notify_all();
}

void CheckpointCollector::Loop() {
  for (;;) {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [&] { return stopping_ || !jobs_.empty(); });
    if (stopping_) return;
    const Job job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    const Status deleted = Delete(job.folders);
    job.done(deleted.ok() ? Result<boost::json::object>(boost::json::object())
                          : Result<boost::json::object>(deleted.error()));
  }
}

Status CheckpointCollector::Delete(const std::vector<std::string>& folders) const {
  for (const std::string& folder : folders) {
    if (!LeadsBelow(folder)) return Invalid("'" + folder + "' is no folder of checkpoints");
  }
  for (const std::string& folder : folders) {
    std::error_code error;
    fs::remove_all(root_ / folder, error);
    if (error) return IoError("delete " + (root_ / folder).string(), error.value());
  }
  return Ok();
}

std::vector<std::string> CheckpointCollector::Folders() const {
  std::vector<std::string> folders;
  std::error_code error;
  for (const auto& sweep : fs::directory_iterator(root_, error)) {
    std::error_code none;
    for (const auto& trial : fs::directory_iterator(sweep.path(), none)) {
      folders.push_back(sweep.path().filename() / trial.path().filename());
    }
  }
  return folders;
}

}  // namespace muster::server
