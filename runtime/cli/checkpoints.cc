#include "runtime/cli/checkpoints.h"

#include <charconv>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/local/attempt_folder.h"
#include "cluster/local/checkpoint_push.h"
#include "cluster/local/contract.h"
#include "runtime/base/clock.h"
#include "runtime/server/checkpoint_client.h"

namespace muster::cli {
namespace {

namespace local = cluster::local;

constexpr auto kTellEvery = std::chrono::seconds(5);

/// To the output of a rank, or to the log that becomes the attempt's message.
void Say(const std::string& text) { std::cerr << local::kToldByMuster << text << std::endl; }

std::string Megabytes(std::int64_t bytes) {
  return std::to_string((bytes + 999'999) / 1'000'000) + " MB";
}

/// Says how far it is, when it takes long.
server::CheckpointClient::Progress TellSometimes(const std::string& what) {
  return
      [what, next = SystemClock().Now() + kTellEvery](std::int64_t bytes, std::int64_t of) mutable {
        if (SystemClock().Now() < next) return;
        next = SystemClock().Now() + kTellEvery;
        Say(what + ": " + Megabytes(bytes) + " of " + Megabytes(of));
      };
}

/// Below the root of all checkpoints; empty as it is.
std::string BelowRoot(const wire::Prepare& prepare) {
  if (prepare.start_from.empty()) return "";
  const auto root = std::filesystem::path(prepare.checkpoint_dir).parent_path().parent_path();
  return std::filesystem::path(prepare.start_from).lexically_relative(root).generic_string();
}

Result<int> Carry(const local::AttemptFolder& folder, bool pull, std::optional<std::int64_t> keep) {
  MUSTER_ASSIGN_OR_RETURN(const wire::Prepare prepare, folder.ReadPrepare());
  const auto token = prepare.env.find("MLFLOW_TRACKING_TOKEN");
  if (token == prepare.env.end())
    return Invalid(folder.path().string() + ": the attempt has no token");
  server::CheckpointClient client(
      {.url = prepare.checkpoint_url, .token = token->second, .trial = prepare.trial});
  if (pull) {
    MUSTER_RETURN_IF_ERROR(client.Pull(folder.checkpoints(), folder.arriving(), BelowRoot(prepare),
                                       TellSometimes("the checkpoint comes from the server")));
    return 0;
  }
  MUSTER_ASSIGN_OR_RETURN(
      const bool kept,
      client.Push(folder.checkpoints(), keep, TellSometimes("the checkpoint goes to the server")));
  return keep && !kept ? local::kPushedNotKept : 0;
}

}  // namespace

std::optional<int> RunCheckpoints(int argc, char** argv) {
  if (argc < 4 || std::string_view(argv[1]) != "checkpoints") return std::nullopt;
  const std::string_view verb = argv[2];
  const char* home_id = std::getenv("MUSTER_HOME_ID");
  std::optional<std::int64_t> keep;
  if (argc == 5) {
    const std::string_view step = argv[4];
    std::from_chars(step.data(), step.data() + step.size(), keep.emplace(0));
  }
  if (home_id == nullptr || (verb != "pull" && verb != "push")) {
    Say("usage: muster checkpoints pull|push ATTEMPT_DIR, by the attempt's shim");
    return 2;
  }
  const auto code = Carry({argv[3], home_id}, verb == "pull", keep);
  if (code.ok()) return *code;
  Say("the checkpoint does not " + std::string(verb == "pull" ? "come from" : "go to") +
      " the server: " + code.error().message);
  return 1;
}

}  // namespace muster::cli
