#pragma once

#include <boost/json/object.hpp>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <variant>

#include "cluster/batch_system.h"
#include "runtime/base/clock.h"
#include "runtime/coordinator/allocation_jobs.h"
#include "runtime/coordinator/input.h"
#include "runtime/net/node_keys.h"
#include "runtime/server/coordinator_host.h"
#include "runtime/server/node_routes.h"

/// Carries out what the coordinator wants of batch systems, and tells it what they say: on a thread of its own, for each
/// call may take seconds.
///
/// An allocation's agents find their keys in <dir>/<request>/<task>.<node>.key, which nodes have to see at the same path,
/// and run on homes of their own in the node's folder for temporary files (muster agent join --allocation).

namespace muster::server {

class PoolWorker {
 public:
  struct Options {
    std::filesystem::path dir;      ///< <home>/pools
    std::filesystem::path program;  ///< `muster`, as nodes see it
    /// Of the keys of requests, so that homes that share a batch system do not take each other's jobs for their own.
    std::string home_id;
    std::chrono::milliseconds period{
        1'000};  ///< between two looks at the batch systems, while there is something
  };
  struct Parts {
    /// A batch system by a pool's `site`; the error says what is wrong with that.
    std::function<Result<std::unique_ptr<cluster::BatchSystem>>(const boost::json::object&)> open;
    net::NodeKeys& keys;
    std::function<Result<WireAddress>()> address;  ///< where agents connect
    const Clock& clock;
  };
  using Done = std::function<void(Result<boost::json::object>)>;

  PoolWorker(Options options, Parts parts);
  ~PoolWorker();  ///< Stop
  PoolWorker(const PoolWorker&) = delete;
  PoolWorker& operator=(const PoolWorker&) = delete;

  /// `host` outlives it, or Stop comes first.
  void Start(CoordinatorHost& host);
  /// What waits is dropped: it is in the coordinator's outbox.
  void Stop();

  /// Would the pool's batch system take what the pool asks for? Any thread; blocks.
  Status Check(const wire::PoolSpec& spec);
  // Any thread.
  void Submit(coordinator::SubmitAllocations command, Done done);
  void Cancel(coordinator::CancelAllocation command, Done done);

 private:
  struct Job {
    std::variant<coordinator::SubmitAllocations, coordinator::CancelAllocation> command;
    Done done;
  };
  struct Known {
    coordinator::OpenAllocation open;
    std::string key;  ///< as the coordinator has it
    boost::json::object site;
  };
  void Put(Job job);
  void Loop();
  Result<boost::json::object> Carry(const coordinator::SubmitAllocations& command);
  Result<boost::json::object> Place(const coordinator::SubmitAllocations& command);
  Result<boost::json::object> Carry(const coordinator::CancelAllocation& command);
  Status MakeKeys(const coordinator::SubmitAllocations& command);
  [[nodiscard]] std::filesystem::path KeyFile(const std::string& key, int task,
                                              const std::string& index) const;
  void DropKeys(const AllocationId& allocation, const std::string& key, int task);
  [[nodiscard]] cluster::JobRequest RequestOf(const coordinator::SubmitAllocations& command) const;
  Result<std::vector<Known>> AskForKnown();
  /// False when there is nothing to look for.
  bool Look();
  bool CancelStrays(cluster::BatchSystem& system,
                    const std::vector<coordinator::OpenAllocation>& open,
                    const std::vector<cluster::Job>& jobs);
  void Tell(const Known& known, const std::vector<cluster::Job>& jobs, bool counts);
  // pool_usage.cc
  /// False when nothing is left to ask for.
  bool Count();
  void CountAt(const std::vector<const boost::json::object*>& allocations);
  Result<cluster::BatchSystem*> SystemOf(const boost::json::object& site);

  const Options options_;
  const Parts parts_;
  CoordinatorHost* host_ = nullptr;

  std::mutex systems_mutex_;  ///< guards systems_ and the calls of each
  std::map<std::string, std::unique_ptr<cluster::BatchSystem>> systems_;  ///< by site
  bool counting_ = true;  ///< there may be ended allocations of which it can be told what they cost
  bool logs_grew_ = true;  ///< there may be output to delete
  coordinator::JobWatch watch_;

  std::mutex mutex_;  ///< guards what follows
  std::condition_variable wake_;
  std::deque<Job> jobs_;
  bool watching_ = true;  ///< there may be allocations
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace muster::server
