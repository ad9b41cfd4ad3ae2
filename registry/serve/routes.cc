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
      [&server = server_, answer, method = std::string(method), pattern = std::string(pattern)](
          const http::Request& request, const http::Respond& respond) {
        const Envelope envelope = server.Open(request);
        http::Response response = answer(server, request);
        server.Close(envelope, method, pattern, nullptr, {}, response);
        respond(std::move(response));
      });
}

void Routes::AddPrediction(std::string_view pattern, const Protocol& protocol) {
  router_.Add("POST", pattern,
              [&server = server_, &protocol, pattern = std::string(pattern)](
                  const http::Request& request, http::Respond respond) {
                server.Predict(protocol, pattern, request, std::move(respond));
              });
}

}  // namespace muster::registry::serve
