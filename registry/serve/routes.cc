#include "registry/serve/routes.h"

#include <utility>

#include "registry/serve/model_server.h"

namespace muster::registry::serve {

int StatusOf(const Error& error) {
  return error.kind == ErrorKind::kUnsupported ? 415 : http::HttpStatus(error.kind);
}

void Routes::Add(std::string_view method, std::string_view pattern, Answer answer) {
  router_.Add(
      method, pattern,
      [&server = server_, answer](const http::Request& request, const http::Respond& respond) {
        respond(answer(server, request));
      });
}

void Routes::AddPrediction(std::string_view pattern, const Protocol& protocol) {
  router_.Add("POST", pattern,
              [&server = server_, &protocol](const http::Request& request, http::Respond respond) {
                server.Predict(protocol, request, std::move(respond));
              });
}

}  // namespace muster::registry::serve
