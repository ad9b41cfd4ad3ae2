#pragma once

#include <string_view>

#include "registry/serve/invocations.h"
#include "registry/serve/protocol.h"

namespace muster::registry::serve {

/// A body that says itself what it is, by its Content-Type:
///
///   application/json, or none      invocations.h; {"inputs": [{"name", "datatype", "shape", "data"}]}: infer_codec.h
///   text/csv                       with a header; "; header=absent" (RFC 4180, 3): without
///   application/vnd.sagemaker-triton.binary+json;json-header-size=N
///   application/vnd.vertex-ai-triton.binary+json;json-header-size=N
///                                  infer_codec.h with the length of the JSON there; as Triton does it, SageMaker's is
///                                  answered in the same type, Vertex AI's as in infer_codec.h
///
/// The answer is of the same protocol. kUnsupported names a type that is none of these.
Result<Question> DecodeAnyBody(const http::Request& request, std::string_view body,
                               const ServedModel& model);

/// The same, but {"instances": ...} and {"inputs": ...} are JSON whatever the Content-Type says, and are answered row by
/// row, as KServe v1 and Vertex AI want it.
Result<Question> DecodeRowsOrAnyBody(const http::Request& request, std::string_view body,
                                     const ServedModel& model);

/// Tensors to compute with, and their answer as Invocation says.
Question QuestionOf(Invocation asked);

}  // namespace muster::registry::serve
