#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <map>
#include <string>

#include "runtime/base/result.h"

/// Nodes that a batch system lends: what one request for them asks, and how many requests there may be.

namespace muster::wire {

enum class PoolForm {
  kPilot,  ///< allocations of one shape, whose agents run whatever waits until nothing does
  kJob,    ///< an allocation for each trial, of its gang's shape, which ends with it
};

struct PoolSpec {
  std::string name;  ///< 1 to 32 of a-z 0-9 -, a letter first
  PoolForm form = PoolForm::kPilot;
  int nodes = 1;  ///< of an allocation; of a job: at most
  int slots = 1;  ///< of a node; of a job's: at most. This and the next likewise
  int gpus = 0;
  std::int64_t memory_bytes = 0;              ///< 0: not asked for and not counted
  std::map<std::string, std::string> labels;  ///< that its nodes have
  std::int64_t time_seconds = 3'600;  ///< after which the batch system takes an allocation back
  /// So long before, what runs there saves a checkpoint and goes on elsewhere.
  std::int64_t drain_seconds = 60;
  int most = 1;     ///< allocations at a time ...
  int backlog = 1;  ///< ... of which so many may wait in the batch system's queue
  std::int64_t idle_seconds =
      60;                    ///< an allocation on which nothing runs for so long is given back
  boost::json::object site;  ///< how the batch system is asked; its adapter's business
};

boost::json::value ToJson(const PoolSpec& spec);
/// kInvalid with the path of what is unknown or of a wrong type.
Result<PoolSpec> PoolSpecFromJson(const boost::json::value& json);
/// kInvalid with the path of what is out of its range.
Status CheckPoolSpec(const PoolSpec& spec);

}  // namespace muster::wire
