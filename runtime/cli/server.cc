// muster server
#include "runtime/server/server.h"

#include <unistd.h>

#include <atomic>
#include <memory>

#include "runtime/base/file.h"
#include "runtime/base/log.h"
#include "runtime/base/stop_signals.h"
#include "runtime/cli/batch_system.h"
#include "runtime/cli/context.h"
#include "runtime/cli/gc_flags.h"
#include "runtime/cli/node_flags.h"
#include "runtime/cli/webhook_flags.h"
#include "runtime/server/endpoint.h"

namespace muster::cli {
namespace {

struct ServerFlags {
  std::string host = "127.0.0.1", port_file;
  std::string agents_host = "127.0.0.1", advertise, checkpoints;
  std::uint16_t port = 7070, agents_port = 0, checkpoints_port = 0;
  WebhookFlags webhooks;
  GcFlags gc;
};

int Serve(const Context& context, const ServerFlags& flags, const NodeFlags& node) {
  auto has = InventoryOf(node, 0);
  if (!has.ok()) return Fail(context, has.error());
  const auto gc = ScheduleOf(flags.gc);
  if (!gc.ok()) return Fail(context, gc.error());
  StopSignals signals;
  std::atomic<bool> fatal = false;
  server::ServerOptions options;
  options.home = context.Home();
  options.checkpoints = flags.checkpoints;
  options.host = flags.host;
  options.port = flags.port;
  options.has = std::move(has).value();
  options.agents_host = flags.agents_host;
  options.agents_port = flags.agents_port;
  options.checkpoints_port = flags.checkpoints_port;
  options.advertise = flags.advertise;
  options.webhooks = PolicyOf(flags.webhooks);
  options.gc = *gc;
  options.batch_system = OpenBatchSystem;
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
  if (server::IsLoopback(flags.host) && !server::IsLoopback(flags.agents_host)) {
    LogWarning("server", "trials on other machines reach " + (*started)->url() +
                             ", where MLflow's client logs, only through a tunnel (ssh -R)");
  }
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
  auto node = std::make_shared<NodeFlags>();
  AddNodeFlags(*command, node);
  command
      ->add_option("--agents-host", flags->agents_host,
                   "Address at which agents of other machines connect; 0.0.0.0 for any")
      ->capture_default_str();
  command
      ->add_option("--agents-port", flags->agents_port,
                   "Port for agents; 0: the one of the last time when it is free, else any")
      ->capture_default_str();
  command->add_option("--advertise", flags->advertise,
                      "Name of this machine for other nodes, where an address above is 0.0.0.0 "
                      "(default: its host name)");
  command->add_option("--checkpoints", flags->checkpoints,
                      "Folder of all checkpoints, which nodes on other machines may see at the "
                      "same path (default: checkpoints in the home)");
  command->add_option("--checkpoints-port", flags->checkpoints_port,
                      "Port at --agents-host where nodes that do not see that folder get and send "
                      "checkpoints; 0: the one of the last time when it is free, else any");
  AddWebhookFlags(*command, flags->webhooks);
  AddGcFlags(*command, flags->gc);
  command->footer(
      "The local agent takes part unless --slots is 0.\n"
      "Nodes on other machines: give --agents-host and --agents-port, then muster node invite "
      "NAME\n"
      "and, there, muster agent join. Agents are known by their keys (CURVE). The HTTP port has "
      "no\n"
      "login and stays on loopback: trials there that log through MLflow's client need a tunnel "
      "to\n"
      "it (ssh -R); those that report over MUSTER_CONTROL need nothing.");
  command->callback([&context, flags, node] {
    context.run = [&context, flags, node] { return Serve(context, *flags, *node); };
  });
}

}  // namespace muster::cli
