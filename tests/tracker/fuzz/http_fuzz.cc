
#include <memory>
#include <string>

#include "runtime/base/check.h"
#include "runtime/http/server.h"
#include "tests/runtime/http/raw_client.h"

/// Bytes as a client sends them to a real server, which then sees the end of them. Whatever they are, it answers in
/// HTTP or closes, and serves the next client.

namespace muster::http {
namespace {

struct Site {
  Site() {
    router.Add("POST", "/echo",
               Sync([](const Request& request) { return Response::Text(request.body); }));
    router.AddUpload("PUT", "/file/{name...}", Sync([](const Request& request) {
                       return Response::Text(request.captures.at("name"));
                     }));
    server = Server::Start({.max_body = 1 << 16, .spool_above = 16, .max_upload = 1 << 16}, router)
                 .value();
  }
  Router router;
  std::unique_ptr<Server> server;
};

}  // namespace
}  // namespace muster::http

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace muster;
  // Until the end: libcrypto goes before statics do, and its threads' memory would be left behind.
  static http::Site& site = *new http::Site;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  http::RawClient client(site.server->port());
  MUSTER_CHECK(client.connected(), "the server takes the connection");
  client.Write(bytes);
  client.EndWriting();
  const std::string answer = client.ReadAll();
  MUSTER_CHECK(answer.empty() || answer.starts_with("HTTP/1.1 "), answer.c_str());
  http::RawClient next(site.server->port());
  next.Write(
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
  MUSTER_CHECK(next.ReadAll().ends_with("\r\n\r\nok"), "the server serves the next client");
  return 0;
}
