#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "registry/model_store.h"
#include "runtime/wire/http.h"
#include "runtime/wire/sweep_spec.h"

/// A model's gate file under /api/muster/v1, in the manner of routes.h.
///
///   GET    models/{name}/gates        {"text", "gates": [{"name", ...as in the file}], "from_ms", "actor", "reason",
///                                     "history": [{"text", "from_ms", "actor", "reason"}]}, the first in force; an empty
///                                     text: none, or none any more
///   POST   models/{name}/gates        {text, file, reason, actor}; `file` stands in messages; an empty text takes the
///                                     file away; makes the model when there is none; answers as GET

namespace muster::registry {

/// What a text says, or why it is no gate file; `file` stands in messages.
using GateFileParser = std::function<Result<std::vector<wire::GateSpec>>(std::string_view text,
                                                                         std::string_view file)>;

/// The store must outlive the router; both are called from its threads.
void AddGateRoutes(http::Router& router, ModelStore& store, GateFileParser parse);

}  // namespace muster::registry
