#include <algorithm>

#include "cluster/batch_system.h"

namespace muster::cluster {
namespace {

constexpr std::size_t kKeyMost = 128;
constexpr int kTaskMost = 1'000'000;
/// A batch script is sent as one message.
constexpr std::size_t kCommandMost = 256 << 10;
/// Slurm keeps both in 16 bits; no job of a year is meant.
constexpr std::int64_t kWarnMost = 65'000;
constexpr std::int64_t kTimeMost = 365LL * 86'400;

bool IsKeyCharacter(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == ':' || c == '-';
}

template <typename T>
Status CheckRange(const char* what, T value, T least, T most) {
  if (value >= least && value <= most) return Ok();
  return Invalid(std::string(what) + ": wanted " + std::to_string(least) + " to " +
                 std::to_string(most) + ", got " + std::to_string(value));
}

void ReplaceAll(std::string& text, std::string_view from, const std::string& to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
}

}  // namespace

Status CheckRequest(const JobRequest& request) {
  if (request.key.empty() || request.key.size() > kKeyMost ||
      !std::ranges::all_of(request.key, IsKeyCharacter)) {
    return Invalid("key: wanted 1 to 128 of A-Z a-z 0-9 . _ : -, got '" + request.key + "'");
  }
  MUSTER_RETURN_IF_ERROR(CheckRange("first_task", request.first_task, 0, kTaskMost));
  MUSTER_RETURN_IF_ERROR(CheckRange("count", request.count, 1, kTaskMost));
  MUSTER_RETURN_IF_ERROR(CheckRange("nodes", request.nodes, 1, 1'000'000));
  MUSTER_RETURN_IF_ERROR(CheckRange("cpus_per_node", request.cpus_per_node, 1, 65'000));
  MUSTER_RETURN_IF_ERROR(CheckRange("gpus_per_node", request.gpus_per_node, 0, 65'000));
  MUSTER_RETURN_IF_ERROR(CheckRange<std::int64_t>("memory_bytes_per_node",
                                                  request.memory_bytes_per_node, 0, 1LL << 50));
  MUSTER_RETURN_IF_ERROR(
      CheckRange<std::int64_t>("time_seconds", request.time_seconds, 0, kTimeMost));
  MUSTER_RETURN_IF_ERROR(
      CheckRange<std::int64_t>("warn_seconds", request.warn_seconds, 0, kWarnMost));
  if (request.command.empty() || request.command[0].empty()) {
    return Invalid("command: wanted a program and its arguments, got nothing");
  }
  std::size_t size = 0;
  for (const std::string& argument : request.command) {
    size += argument.size() + 1;
    if (argument.find('\0') != std::string::npos)
      return Invalid("command: it has a character with the code 0");
  }
  if (size > kCommandMost) return Invalid("command: more than 256 KiB");
  if (!request.log_dir.starts_with('/') ||
      request.log_dir.find_first_of(std::string_view("\0\n", 2)) != std::string::npos)
    return Invalid("log_dir: wanted an absolute path of one line, got '" + request.log_dir + "'");
  return Ok();
}

std::vector<std::string> ExpandCommand(const JobRequest& request, int task, int node) {
  std::vector<std::string> command = request.command;
  for (std::string& argument : command) {
    ReplaceAll(argument, "{task}", std::to_string(task));
    ReplaceAll(argument, "{node}", std::to_string(node));
  }
  return command;
}

}  // namespace muster::cluster
