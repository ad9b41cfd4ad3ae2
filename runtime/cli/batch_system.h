#pragma once

#include <boost/json/object.hpp>
#include <memory>

#include "cluster/batch_system.h"

namespace muster::cli {

/// A pool's batch system: `site` is {"system": "slurm", "profile": YAML (runtime/config/slurm_profile.h), "file": its
/// name for messages}. kUnsupported for another system; the profile's mistakes.
Result<std::unique_ptr<cluster::BatchSystem>> OpenBatchSystem(const boost::json::object& site);

}  // namespace muster::cli
