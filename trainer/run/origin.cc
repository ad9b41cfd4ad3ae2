#include "trainer/run/origin.h"

#include <sys/utsname.h>
#include <torch/version.h>

#include <fstream>
#include <string_view>
#include <thread>

#include "runtime/base/file_digest.h"
#include "runtime/wire/codec.h"

namespace muster::trainer::run {

/// One role's data as training saw it.
struct DataSeen {
  std::string path, stamp;
};
BOOST_DESCRIBE_STRUCT(DataSeen, (), (path, stamp))

namespace {

using Environment = std::map<std::string, std::string>;

constexpr std::string_view kSuffix = ".h5";

std::string CpuName() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const auto colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

Environment EnvironmentOf(const Options& options, const Trial& trial, const std::string& device) {
  utsname system{};
  uname(&system);
  Environment environment = {
      {"program", trial.name()},
      {"muster", MUSTER_VERSION},
      {"libtorch", TORCH_VERSION},
      {"device", device},
      {"cpu", CpuName()},
      {"cpus", std::to_string(std::thread::hardware_concurrency())},
      {"threads", std::to_string(options.threads)},
      {"ranks", std::to_string(options.rank.world_size)},
      {"attempt", std::to_string(options.attempt)},
      {"system", std::string(system.sysname) + " " + system.release + " " + system.machine}};
  if (!options.container.empty()) environment["container"] = options.container;
  return environment;
}

template <typename T>
Result<T> Decoded(const std::map<std::string, std::string>& metadata, const std::string& key) {
  const auto found = metadata.find(key);
  if (found == metadata.end()) return T{};
  auto decoded = wire::Decode<T>(found->second);
  if (!decoded.ok()) return Corrupt("the checkpoint's '" + key + "': " + decoded.error().message);
  return decoded;
}

}  // namespace

std::map<std::string, std::string> OriginMetadata(const Options& options, const Trial& trial,
                                                  const std::string& device) {
  std::map<std::string, DataSeen> data;
  for (const auto& [role, path] : options.file.data) {
    // Files of a role that this training does not read may not be here.
    const auto now = StampOfFiles(path, kSuffix);
    data[role] = {path, now.ok() ? now->stamp : ""};
  }
  return {{"data", wire::Encode(data)},
          {"environment", wire::Encode(EnvironmentOf(options, trial, device))}};
}

Status AddOrigin(const std::map<std::string, std::string>& metadata,
                 const std::map<std::string, std::string>& data, registry::ExportInfo& info) {
  using Seen = std::map<std::string, DataSeen>;
  MUSTER_ASSIGN_OR_RETURN(Seen seen, Decoded<Seen>(metadata, "data"));
  MUSTER_ASSIGN_OR_RETURN(info.environment, Decoded<Environment>(metadata, "environment"));
  for (const auto& [role, path] : data) seen.try_emplace(role, DataSeen{path, ""});
  std::uintmax_t bytes = 0;
  for (const auto& [role, was] : seen) {
    const auto now = StampOfFiles(was.path, kSuffix);
    if (!now.ok()) {  // gone, or on another machine
      info.data[role] = {.path = was.path, .changed = true};
      continue;
    }
    bytes += now->bytes;
    info.data[role] = {.path = was.path, .changed = !was.stamp.empty() && was.stamp != now->stamp};
  }
  if (bytes > kDigestBytes) return Ok();
  for (auto& [role, version] : info.data) {
    const auto digest = DigestOfFiles(version.path, kSuffix);
    if (digest.ok()) version.digest = *digest;
  }
  return Ok();
}

}  // namespace muster::trainer::run
