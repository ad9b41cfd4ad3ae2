#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "registry/serve/served_model.h"
#include "runtime/wire/http.h"

namespace muster::registry::serve {

class ModelServer;

/// A decoded request: what is computed, and how the answer is written.
struct Question {
  std::vector<Tensor> inputs;
  /// How long it may wait for its turn; nothing: as long as it takes.
  std::optional<std::chrono::microseconds> timeout;
  std::function<Result<http::Response>(const ServedModel& model,
                                       const std::vector<Tensor>& outputs)>
      encode;
  std::string id = {};  ///< the body's own, under which labels may come; empty: X-Request-Id's
};

/// What tells one way of asking for a prediction from another. ModelServer::Predict does the rest.
struct Protocol {
  /// The model that the request means; the error when it is not served.
  Result<ServedPtr> (*find)(const ModelServer& server, const http::Request& request);
  /// `body` is the request's, unpacked. kInvalid for a wrong body, kUnsupported (answered with 415) for a content type.
  Result<Question> (*decode)(const http::Request& request, std::string_view body,
                             const ServedModel& model);
  /// An error in the protocol's form.
  http::Response (*failed)(const Error& error);
};

/// The status of an error in all protocols: http::HttpStatus, but 415 for kUnsupported.
int StatusOf(const Error& error);

}  // namespace muster::registry::serve
