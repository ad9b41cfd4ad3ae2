// muster agent join
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <memory>
#include <utility>

#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/base/sha256.h"
#include "runtime/base/stop_signals.h"
#include "runtime/cli/context.h"
#include "runtime/cli/node_flags.h"
#include "runtime/net/keys.h"
#include "runtime/server/agent_host.h"
#include "runtime/server/endpoint.h"
#include "runtime/wire/bounds.h"
#include "runtime/wire/codec.h"

namespace muster::cli {
namespace {

/// An agent of an allocation has nothing to do without its server, and costs its owner.
constexpr std::int64_t kLonelyMs = 120'000;
/// Of one node on a machine, at a time.
constexpr int kHomesMost = 8;

struct JoinFlags {
  std::string url, key_file, address, ready_file, checkpoints = "auto";
  bool allocation = false;
  std::shared_ptr<NodeFlags> node = std::make_shared<NodeFlags>();
};

/// What the server itself says; kUnauthorized when it is not the one of the key file.
Result<std::string> AskForEndpoint(const std::string& url, const net::NodeKey& key) {
  http::Client client(url, std::chrono::seconds(5));
  MUSTER_ASSIGN_OR_RETURN(const auto answer, client.Json("GET", "/api/muster/v1/wire"));
  MUSTER_ASSIGN_OR_RETURN(auto fields, wire::FromJson<boost::json::object>(answer));
  MUSTER_ASSIGN_OR_RETURN(const auto server_key,
                          wire::FromJson<std::string>(fields["server_public_key"]));
  MUSTER_ASSIGN_OR_RETURN(const auto endpoint, wire::FromJson<std::string>(fields["endpoint"]));
  MUSTER_ASSIGN_OR_RETURN(const auto any_host, wire::FromJson<bool>(fields["any_host"]));
  if (server_key != key.server_public_key) {
    return Unauthorized("the server at " + url + " is not the one that invited node " +
                        key.node.value + ": it has another key; invite the node there");
  }
  // A loopback URL may be the end of a tunnel from the server's machine.
  if (any_host && !server::IsLoopback(server::HostOf(url)))
    return server::WithHost(endpoint, server::HostOf(url));
  if (server::IsLoopback(server::HostOf(endpoint)) && !server::IsLoopback(server::HostOf(url))) {
    return Unavailable("the server at " + url + " listens for agents on " + endpoint +
                       ", which other machines do not reach; start it with --agents-host");
  }
  return endpoint;
}

/// tcp://... as it is; of http://... what the server there says, or, while it is away, the key file.
Result<std::string> EndpointOf(const std::string& url, const net::NodeKey& key) {
  if (url.empty()) return key.endpoint;
  if (url.starts_with("tcp://")) return url;
  if (!url.starts_with("http://") && !url.starts_with("https://"))
    return Invalid("URL " + url + ": wanted http://host:port of a server, or tcp://host:port");
  auto endpoint = AskForEndpoint(url, key);
  if (endpoint.ok() || endpoint.error().kind != ErrorKind::kUnavailable) return endpoint;
  LogWarning("agent", endpoint.error().message + "; using " + key.endpoint + " of the key file");
  return key.endpoint;
}

/// On the node's own disk: what lies there is of this node and this job. Another server may lend a node of that name.
std::filesystem::path HomeOf(const net::NodeKey& key) {
  std::error_code failed;
  auto folder = std::filesystem::temp_directory_path(failed);
  if (failed) folder = "/tmp";
  return folder / ("muster-" + std::to_string(::getuid()) + "-" + key.node.value + "-" +
                   Sha256Hex(key.server_public_key).substr(0, 8));
}

Status SetCheckpoints(const std::string& by, server::AgentHost::Options& options) {
  using server::CheckpointsBy;
  if (by == "auto") return Ok();
  options.checkpoints = by == "folder" ? CheckpointsBy::kFolder : CheckpointsBy::kHttp;
  if (by.starts_with("http://")) {
    options.checkpoints_url = by;
  } else if (by != "folder" && by != "http") {
    return Invalid("--checkpoints " + by + ": wanted auto, folder, http or http://HOST:PORT");
  }
  return Ok();
}

Result<server::AgentHost::Options> OptionsOf(const Context& context, const JoinFlags& flags) {
  server::AgentHost::Options options;
  MUSTER_ASSIGN_OR_RETURN(const net::NodeKey key, net::LoadNodeKey(flags.key_file));
  MUSTER_ASSIGN_OR_RETURN(options.has, InventoryOf(*flags.node, 1));
  MUSTER_ASSIGN_OR_RETURN(options.endpoint, EndpointOf(flags.url, key));
  MUSTER_RETURN_IF_ERROR(wire::CheckMessage(wire::Hello{.node = key.node,
                                                        .slots = options.has.slots,
                                                        .gpus = options.has.gpus,
                                                        .gpu_memory = options.has.gpu_memory,
                                                        .resources = options.has.resources,
                                                        .labels = options.has.labels}));
  options.address = flags.address;
  if (options.address.empty()) {
    MUSTER_ASSIGN_OR_RETURN(options.address, server::LocalAddressToward(options.endpoint));
  }
  options.home = flags.allocation ? HomeOf(key) : context.Home();
  if (flags.allocation) options.lonely_ms = kLonelyMs;
  options.ready_file = flags.ready_file;
  MUSTER_RETURN_IF_ERROR(SetCheckpoints(flags.checkpoints, options));
  options.self_executable = context.program;
  options.bin_dir = context.program.parent_path();
  options.node = key.node;
  options.incarnation_least = SystemClock().UnixNow();
  options.keys = key.keys;
  options.server_public_key = key.server_public_key;
  return options;
}

int Join(const Context& context, const JoinFlags& flags) {
  StopSignals signals;
  auto options = OptionsOf(context, flags);
  if (!options.ok()) return Fail(context, options.error());
  const std::string who = "node " + options->node.value;
  LogInfo("agent", who + " (" + std::to_string(options->has.slots) + " slots, home " +
                       options->home.string() + ") joins the server at " + options->endpoint);
  auto host = server::AgentHost::Start(std::move(options).value());
  if (!host.ok()) return Fail(context, host.error());
  const int signal = signals.Wait();
  LogInfo("agent",
          who + " stops (signal " + std::to_string(signal) +
              "); its ranks go on and the next agent on this home adopts them. Without one "
              "the server counts the node as lost and starts its trials elsewhere");
  host->reset();
  return kDone;
}

/// An older start of the same job may still be on this machine, on its home, when the batch system has lost sight of it:
/// then on the next one. What one left that is gone is taken over.
Result<std::unique_ptr<server::AgentHost>> StartOnFreeHome(server::AgentHost::Options& options) {
  const std::string first = options.home.string();
  for (int number = 1;; ++number) {
    auto host = server::AgentHost::Start(options);
    if (host.ok() || host.error().kind != ErrorKind::kConflict || number == kHomesMost) return host;
    options.home = first + "." + std::to_string(number);
  }
}

/// Until the batch system takes the node, or the coordinator does not want it. SIGUSR2: its time is nearly over;
/// SIGTERM: others want it; a second one: now.
int JoinFromAllocation(const Context& context, const JoinFlags& flags) {
  StopSignals signals({SIGUSR1, SIGUSR2});
  auto options = OptionsOf(context, flags);
  if (!options.ok()) return Fail(context, options.error());
  const std::string who = "node " + options->node.value;
  std::atomic<int> code = kDone;
  options->on_quit = [who, &code](const std::string& why, bool failed) {
    if (failed) code = kFailed;
    LogInfo("agent", who + " ends: " + why);
    ::kill(::getpid(), SIGUSR1);
  };
  LogInfo("agent", who + " (" + std::to_string(options->has.slots) +
                       " slots) joins the server at " + options->endpoint);
  auto host = StartOnFreeHome(*options);
  if (!host.ok()) return Fail(context, host.error());
  LogInfo("agent", who + " has its home in " + options->home.string());
  bool told = false;
  for (int signal = signals.Wait(); signal != SIGUSR1; signal = signals.Wait()) {
    if (signal != SIGUSR2 && std::exchange(told, true))
      return kFailed;  // its ranks end by the lease
    LogInfo("agent", who + (signal == SIGUSR2 ? ": its time is nearly over" : " is taken away"));
    (*host)->Leave(signal == SIGUSR2 ? wire::ExitCause::kWalltime : wire::ExitCause::kPreempt);
  }
  // Out of the way before the lock is let go: the next start may want the name.
  const std::string spent = options->home.string() + "-" + std::to_string(::getpid());
  std::error_code ignored;
  std::filesystem::rename(options->home, spent, ignored);
  host->reset();
  std::filesystem::remove_all(spent, ignored);
  return code;
}

}  // namespace

void AddAgent(CLI::App& app, Context& context) {
  auto* agent = app.add_subcommand("agent", "This machine as a node of a server elsewhere")
                    ->require_subcommand(1);
  auto* join = agent->add_subcommand("join", "Run the node's agent until it is told to stop");
  auto flags = std::make_shared<JoinFlags>();
  join->add_option("URL", flags->url,
                   "The server: http://host:port, or its tcp://host:port for agents (default: as "
                   "the key file says)");
  join->add_option("--key", flags->key_file, "The file that muster node invite wrote for this node")
      ->required();
  join->add_option("--address", flags->address,
                   "Where ranks on other nodes of a gang reach this machine (default: the address "
                   "from which it reaches the server)");
  join->add_flag(
      "--allocation", flags->allocation,
      "This machine is lent by a batch system: a home in the folder for temporary files; "
      "SIGUSR2 or SIGTERM let what runs save a checkpoint and go on elsewhere; it ends "
      "when the server does not want it any more, refuses it, or is silent for two minutes");
  join->add_option("--checkpoints", flags->checkpoints,
                   "How the server's checkpoints are had: folder (it is seen here at the same "
                   "path), http (from the server; http://HOST:PORT: there, the end of a tunnel), "
                   "auto (the folder where it is the server's, else http)")
      ->capture_default_str();
  join->add_option("--ready-file", flags->ready_file,
                   "A file that is there while the server has the node, for scripts and probes");
  AddNodeFlags(*join, flags->node);
  join->footer(
      "The agent calls the server for as long as it takes, and again whenever the connection "
      "ends.\n"
      "SIGTERM ends it; ranks go on, and the next agent on the same --home adopts them. One agent "
      "a\n"
      "home, one machine a key file. Data and the trials' programs have to lie at the same paths "
      "as on\n"
      "the server: on a shared file system, or as copies.");
  join->callback([&context, flags] {
    context.run = [&context, flags] {
      return flags->allocation ? JoinFromAllocation(context, *flags) : Join(context, *flags);
    };
  });
}

}  // namespace muster::cli
