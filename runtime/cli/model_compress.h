#pragma once

#include <boost/json/object.hpp>

#include "runtime/cli/context.h"
#include "runtime/cli/model_fetch.h"

namespace muster::cli {

/// Asks the server for a version's smaller form; `body` is the route's, without request_id. Answers the route's
/// object: `version` is 0 where no form was good enough, and `reason` says why.
Result<boost::json::object> CompressVersion(const Context& context, const ModelReference& reference,
                                            boost::json::object body);

}  // namespace muster::cli
