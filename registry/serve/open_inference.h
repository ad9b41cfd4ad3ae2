#pragma once

#include "registry/serve/infer_codec.h"
#include "registry/serve/protocol.h"

/// What the routes of the Open Inference Protocol v2 and of Triton's extensions of it share.

namespace muster::registry::serve {

/// {"error": "..."} with the status of the error.
http::Response OpenInferenceError(const Error& error);
/// The model that the captures {model} and {version}, if there is one, name. kNotFound in Triton's words.
Result<ServedPtr> FindModel(const ModelServer& server, const http::Request& request);
/// A decoded body of /infer, to be answered in its form.
Question QuestionOf(InferRequest asked);

}  // namespace muster::registry::serve
