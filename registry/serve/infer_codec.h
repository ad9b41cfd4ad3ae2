#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "registry/inference_engine.h"
#include "runtime/wire/http.h"

/// The bodies of POST /v2/models/M/infer: the Open Inference Protocol v2 with the binary tensor extension.
///
///   body = JSON, then the tensors whose parameters say "binary_data_size": N, in the JSON's order, each
///          N bytes, little-endian, row-major
///   header Inference-Header-Content-Length: the bytes of the JSON, when tensors follow it; 0: the body is
///          the bytes of the model's only input, one row
///
/// An answer has the same form: an output is binary when the request asks so by
/// outputs[i].parameters.binary_data or, for all that do not say, parameters.binary_data_output.
/// An output with the parameter `classification` is of the type BYTES: strings, which in binary form have their length
/// before them as a uint32.
/// Source: github.com/kserve/open-inference-protocol, Triton's extension_binary_data.md.

namespace muster::registry::serve {

struct WantedOutput {
  std::string name;
  bool binary = false;
  std::int64_t classes = 0;  ///< above 0: so many of Triton's classes in place of the values
};

struct InferRequest {
  std::string id;  ///< given back as it came
  std::vector<Tensor> inputs;
  std::vector<WantedOutput> outputs;  ///< empty: all
  bool binary_output = false;         ///< of the outputs that are not named
  /// Parameter `timeout`, Triton's: how long the request may wait for its turn. Without it, or 0: as long as it takes.
  std::optional<std::chrono::microseconds> timeout;
};

inline constexpr std::string_view kJsonLengthHeader = "Inference-Header-Content-Length";

/// `json_length` is the header's text, empty without it. Never fails but with kInvalid. Types and shapes
/// are the request's; CheckInputs compares them with the model's, except in the raw form, which takes
/// them from `specs`.
Result<InferRequest> DecodeInfer(std::string_view body, std::string_view json_length,
                                 const std::vector<TensorSpec>& specs);

/// `outputs` in the model's order. kInvalid when the request wants one that is not there.
Result<http::Response> EncodeInfer(const InferRequest& request, std::string_view model,
                                   std::string_view version, const std::vector<Tensor>& outputs);

}  // namespace muster::registry::serve
