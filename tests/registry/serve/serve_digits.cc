#include <cstdlib>
#include <fstream>
#include <iostream>

#include "registry/openvino/engine.h"
#include "registry/serve/alias_follower.h"
#include "runtime/base/stop_signals.h"
#include "runtime/http/server.h"
#include "tests/support/tiny_onnx.h"

/// Serves a digits CNN with random weights, for scripts/bench/serving: what `muster serve` puts together,
/// without a trained model.  usage: serve_digits WORK_DIR PORT_FILE THREADS; ends on SIGTERM.
int main(int argc, char** argv) {
  using namespace muster;
  if (argc != 4) {
    std::cerr << "usage: serve_digits WORK_DIR PORT_FILE THREADS\n";
    return 2;
  }
  StopSignals signals;
  const std::filesystem::path models = std::filesystem::path(argv[1]) / "digits";
  testing::DigitsModel(7).Write(models / "1" / "model.onnx");
  const auto engine = registry::MakeOpenVinoEngine();
  registry::serve::ModelServer server(*engine, {});
  registry::serve::DirectorySource source(models);
  registry::serve::AliasFollower follower(source, server);
  if (const Status first = follower.Step(); !first.ok()) {
    std::cerr << first.error().message << '\n';
    return 1;
  }
  http::Router router;
  server.AddRoutes(router);
  http::ServerOptions options;
  options.threads = static_cast<int>(std::strtol(argv[3], nullptr, 10));
  const auto listening = http::Server::Start(options, router);
  if (!listening.ok()) {
    std::cerr << listening.error().message << '\n';
    return 1;
  }
  follower.Start();
  std::ofstream(argv[2]) << (*listening)->port() << '\n';
  signals.Wait();
  (*listening)->Stop();
  return 0;
}
