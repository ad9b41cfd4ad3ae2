// muster server
#include "runtime/server/server.h"

#include <unistd.h>

#include <atomic>
#include <charconv>
#include <memory>

#include "runtime/base/file.h"
#include "runtime/base/log.h"
#include "runtime/base/stop_signals.h"
#include "runtime/cli/context.h"

namespace muster::cli {
namespace {

struct ServerFlags {
  std::string host = "127.0.0.1", port_file, slots = "auto";
  std::uint16_t port = 7070;
};

Result<int> ParseSlots(const std::string& text) {
  if (text == "auto") return -1;
  int slots = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), slots);
  if (read.ec == std::errc() && read.ptr == text.data() + text.size() && slots >= 0) return slots;
  return Invalid("--slots " + text + ": wanted auto, or a number from 0");
}

int Serve(const Context& context, const ServerFlags& flags) {
  const auto slots = ParseSlots(flags.slots);
  if (!slots.ok()) return Fail(context, slots.error());
  StopSignals signals;
  std::atomic<bool> fatal = false;
  server::ServerOptions options;
  options.home = context.Home();
  options.host = flags.host;
  options.port = flags.port;
  options.slots = *slots;
  options.program = context.program;
  options.bin_dir = context.program.parent_path();
  auto started = server::Server::Start(options, [&](const Error& error) {
    LogError("server", "cannot go on: " + error.message);
    fatal = true;
    kill(getpid(), SIGTERM);
  });
  if (!started.ok()) return Fail(context, started.error());
  if (!flags.port_file.empty()) {
    const Status written =
        WriteFileAtomically(flags.port_file, std::to_string((*started)->port()) + "\n");
    if (!written.ok()) return Fail(context, written.error());
  }
  LogInfo("server", "ready on " + (*started)->url() + ", home " + options.home.string());
  const int signal = signals.Wait();
  LogInfo("server", std::string("stopping (signal ") + std::to_string(signal) +
                        "); trials that run go on and are adopted by the next server");
  started->reset();
  return fatal ? kFailed : kDone;
}

}  // namespace

void AddServer(CLI::App& app, Context& context) {
  auto* command = app.add_subcommand(
      "server", "Run the coordinator, tracker, registry and a local agent in one process");
  auto flags = std::make_shared<ServerFlags>();
  command->add_option("--host", flags->host, "Address to listen on")->capture_default_str();
  command->add_option("--port", flags->port, "Port; 0 picks one")->capture_default_str();
  command->add_option("--port-file", flags->port_file, "Write the port there once all is ready");
  command->add_option("--slots", flags->slots, "CPUs for trials: auto, a number, or 0 for none")
      ->capture_default_str();
  command->callback(
      [&context, flags] { context.run = [&context, flags] { return Serve(context, *flags); }; });
}

}  // namespace muster::cli
