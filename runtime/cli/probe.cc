// muster probe node|listen|call|mpi: what `muster doctor --cluster` runs on nodes. Prints JSON, a line an answer.
#include "runtime/cli/probe.h"

#include <boost/json/object.hpp>
#include <filesystem>
#include <iostream>
#include <memory>

#include "cluster/local/probe_mpi.h"
#include "cluster/local/probe_node.h"
#include "cluster/local/probe_pair.h"
#include "cluster/rank_environment.h"
#include "runtime/cli/version.h"
#include "runtime/wire/codec.h"

namespace muster::cli {
namespace {

namespace local = cluster::local;

struct ProbeFlags {
  std::string id, node, peer, address;
  int port = 0;
  int patience_ms = 20'000;
  bool last = false;  ///< of this node's: the token goes
};

void Print(const boost::json::value& value) {
  std::cout << wire::SerializeJson(value) << std::endl;
}

/// An attempt's place: the checkpoint folder of all trials, and where ranks meet.
struct Place {
  std::filesystem::path own, root;
  bool over_http = false;  ///< there is no such folder here: `root` is the attempt's own
  local::ProbeSide side;
};

Result<Place> FindPlace(const Context& context, const ProbeFlags& flags) {
  const auto environment = [](const char* name) { return EnvironmentVariable(name).value_or(""); };
  const auto rank = cluster::ReadRankEnvironment(environment);
  Place place{.own = environment("MUSTER_CHECKPOINT_DIR"), .root = {}, .side = {}};
  if (!rank || place.own.empty())
    return Invalid("muster probe is started by muster doctor --cluster, not by people");
  std::error_code error;
  place.over_http = std::filesystem::exists(place.own.parent_path() / "prepare.json", error);
  // <root>/<sweep>/<trial>
  place.root = place.over_http ? place.own : place.own.parent_path().parent_path();
  place.side = {.id = flags.id,
                .node = flags.node,
                .address = rank->master_address,
                .port = rank->master_port,
                .patience = std::chrono::milliseconds(flags.patience_ms),
                .self_executable = context.program,
                .marks = {}};
  for (const char* mark : {"MUSTER_HOME_ID", "MUSTER_ATTEMPT"})
    place.side.marks[mark] = environment(mark);
  return place;
}

/// What the shim made for a checkpoint.
void Tidy(const Place& place) {
  std::error_code ignored;
  std::filesystem::remove(place.own, ignored);
  std::filesystem::remove(place.own.parent_path(), ignored);
}

int Node(const Context& context, const ProbeFlags& flags) {
  const auto place = FindPlace(context, flags);
  if (!place.ok()) return Fail(context, place.error());
  const local::ProbeFolder folder(place->root, flags.id);
  cluster::NodeFacts facts = local::LookAtNode({.node = flags.node,
                                                .muster = VersionText(),
                                                .address = place->side.address,
                                                .self_executable = context.program},
                                               folder);
  facts.folder.over_http = place->over_http;
  Print(cluster::ToJson(facts));
  if (flags.last || place->over_http) folder.Leave(flags.node);
  Tidy(*place);
  return kDone;
}

int Listen(const Context& context, const ProbeFlags& flags) {
  const auto place = FindPlace(context, flags);
  if (!place.ok()) return Fail(context, place.error());
  const local::ProbeFolder folder(place->root, flags.id);
  auto listener = local::Listener::Open(place->side.address, place->side.port);
  if (!listener.ok()) return Fail(context, listener.error());
  Print(boost::json::object{{"address", place->side.address}, {"port", listener->port()}});
  const Status answered = local::AnswerProbe(*listener, place->side, folder);
  if (flags.last || place->over_http) folder.Leave(flags.node);
  Tidy(*place);
  return answered.ok() ? int{kDone} : Fail(context, answered.error());
}

int Call(const Context& context, const ProbeFlags& flags) {
  const auto place = FindPlace(context, flags);
  if (!place.ok()) return Fail(context, place.error());
  const local::ProbeFolder folder(place->root, flags.id);
  Print(cluster::ToJson(
      local::MeasurePair(place->side, flags.peer, flags.address, flags.port, folder)));
  if (flags.last || place->over_http) folder.Leave(flags.node);
  Tidy(*place);
  return kDone;
}

}  // namespace

void AddProbe(CLI::App& app, Context& context) {
  // An empty group hides it: it is no command for people.
  auto* probe = app.add_subcommand("probe", "")->group("")->require_subcommand(1);
  auto flags = std::make_shared<ProbeFlags>();
  const auto add = [&](const char* name, auto verb) {
    auto* command = probe->add_subcommand(name, "");
    command->add_option("--id", flags->id)->required();
    command->add_option("--node", flags->node)->required();
    command->add_option("--patience-ms", flags->patience_ms);
    command->add_flag("--last", flags->last);
    command->callback([&context, flags, verb] {
      context.run = [&context, flags, verb] { return verb(context, *flags); };
    });
    return command;
  };
  add("node", Node);
  add("listen", Listen);
  auto* call = add("call", Call);
  call->add_option("--peer", flags->peer)->required();
  call->add_option("--address", flags->address)->required();
  call->add_option("--port", flags->port)->required();
  probe->add_subcommand("mpi", "")->callback([&context] { context.run = local::MpiHello; });
}

}  // namespace muster::cli
