#pragma once

#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "registry/loop/trigger_service.h"
#include "registry/trigger.h"
#include "runtime/base/clock.h"

namespace muster::server {

/// Looks at the data of triggers that watch it and tells their service which digests it has, on a thread of its own:
/// hashing takes about a second a gigabyte. Files count when they have stayed as they are between two looks, so that
/// one that is being written is not read.
class DataWatcher {
 public:
  /// All must outlive it.
  DataWatcher(registry::TriggerStore& store, registry::TriggerService& service, const Clock& clock);
  ~DataWatcher();
  DataWatcher(const DataWatcher&) = delete;
  DataWatcher& operator=(const DataWatcher&) = delete;

 private:
  struct Seen {
    std::string stamp;  ///< names, sizes and times
    bool told = false;
  };
  void Loop();
  void Look();
  Status LookAt(const registry::Trigger& trigger);

  registry::TriggerStore& store_;
  registry::TriggerService& service_;
  const Clock& clock_;
  std::map<std::pair<std::string, std::string>, Seen> seen_;  // by trigger and path; the thread's
  std::mutex mutex_;                                          // guards stopping_
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace muster::server
