#include "runtime/server/data_watcher.h"

#include <chrono>

#include "runtime/base/file_digest.h"
#include "runtime/base/log.h"
#include "runtime/wire/codec.h"

namespace muster::server {
namespace {

constexpr auto kPeriod = std::chrono::seconds(2);
constexpr std::string_view kSuffix = ".h5";
/// Of more bytes the stamp is the digest: the server would not stop while it hashes.
constexpr std::uintmax_t kDigestBytes = std::uintmax_t{4} << 30;

}  // namespace

DataWatcher::DataWatcher(registry::TriggerStore& store, registry::TriggerService& service,
                         const Clock& clock)
    : store_(store), service_(service), clock_(clock), thread_([this] { Loop(); }) {}

DataWatcher::~DataWatcher() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void DataWatcher::Loop() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    lock.unlock();
    Look();
    lock.lock();
    wake_.wait_for(lock, kPeriod, [&] { return stopping_; });
  }
}

void DataWatcher::Look() {
  const auto triggers = store_.List();
  if (!triggers.ok()) return LogWarning("trigger", triggers.error().message);
  for (const registry::Trigger& trigger : *triggers) {
    if (!trigger.enabled || trigger.when.data.empty()) continue;
    const Status looked = LookAt(trigger);
    if (!looked.ok()) LogWarning("trigger", trigger.name + ": " + looked.error().message);
  }
}

Status DataWatcher::LookAt(const registry::Trigger& trigger) {
  MUSTER_ASSIGN_OR_RETURN(const auto json, wire::ParseJson(trigger.sweep_json));
  MUSTER_ASSIGN_OR_RETURN(const auto spec, wire::SweepSpecFromJson(json));
  std::map<std::string, std::string> digests;
  std::vector<Seen*> told;
  for (const std::string& role : trigger.when.data) {
    const auto path = spec.data.find(role);
    if (path == spec.data.end()) continue;
    Seen& seen = seen_[{trigger.name, path->second}];
    const auto now = StampOfFiles(path->second, kSuffix);
    // Files that are not there are being replaced, or are the next sweep's to complain of.
    const std::string stamp = now.ok() ? now->stamp : "";
    if (stamp != seen.stamp) {
      seen = {stamp, false};
    } else if (!seen.told && !stamp.empty()) {
      digests[role] = stamp;
      if (now->bytes <= kDigestBytes) {
        MUSTER_ASSIGN_OR_RETURN(digests[role], DigestOfFiles(path->second, kSuffix));
      }
      told.push_back(&seen);
    }
  }
  if (digests.empty()) return Ok();
  MUSTER_RETURN_IF_ERROR(service_.OnData(trigger.name, digests, clock_.UnixNow() / 1000));
  for (Seen* seen : told) seen->told = true;
  return Ok();
}

}  // namespace muster::server
