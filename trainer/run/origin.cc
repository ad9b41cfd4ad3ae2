#include "trainer/run/origin.h"

#include <sys/utsname.h>
#include <torch/version.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "runtime/base/file_list.h"
#include "runtime/base/sha256.h"
#include "runtime/wire/codec.h"

namespace muster::trainer::run {

/// One role's data as training saw it.
struct DataSeen {
  std::string path, stamp;
};
BOOST_DESCRIBE_STRUCT(DataSeen, (), (path, stamp))

namespace {

namespace fs = std::filesystem;
using Environment = std::map<std::string, std::string>;

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

/// Names, sizes and times of the files that `path` names.
Result<std::string> StampOf(const std::string& path, std::uintmax_t& bytes) {
  MUSTER_ASSIGN_OR_RETURN(const auto files, ListFiles(path, ".h5"));
  std::string lines;
  for (const fs::path& file : files) {
    std::error_code failure;
    const auto size = fs::file_size(file, failure);
    if (failure) return IoError(file.string(), failure.value());
    const auto time = fs::last_write_time(file, failure);
    if (failure) return IoError(file.string(), failure.value());
    bytes += size;
    lines += file.filename().string() + " " + std::to_string(size) + " " +
             std::to_string(time.time_since_epoch().count()) + "\n";
  }
  return Sha256Hex(lines);
}

Result<std::string> FileDigest(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  Sha256 hash;
  std::vector<char> buffer(std::size_t{1} << 20);
  while (in.read(buffer.data(), static_cast<std::streamsize>(buffer.size())) || in.gcount() > 0) {
    hash.Update({buffer.data(), static_cast<std::size_t>(in.gcount())});
  }
  if (!in.eof()) return IoError("read " + file.string(), errno);
  return hash.Hex();
}

Result<std::string> DigestOf(const std::string& path) {
  MUSTER_ASSIGN_OR_RETURN(const auto files, ListFiles(path, ".h5"));
  if (files.size() == 1) return FileDigest(files[0]);
  std::string lines;
  for (const fs::path& file : files) {
    MUSTER_ASSIGN_OR_RETURN(const std::string digest, FileDigest(file));
    lines += digest + "  " + file.filename().string() + "\n";
  }
  return Sha256Hex(lines);
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
    std::uintmax_t bytes = 0;
    // Files of a role that this training does not read may not be here.
    const auto stamp = StampOf(path, bytes);
    data[role] = {path, stamp.ok() ? *stamp : ""};
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
    const auto stamp = StampOf(was.path, bytes);
    if (!stamp.ok()) {  // gone, or on another machine
      info.data[role] = {.path = was.path, .changed = true};
      continue;
    }
    info.data[role] = {.path = was.path, .changed = !was.stamp.empty() && was.stamp != *stamp};
  }
  if (bytes > kDigestBytes) return Ok();
  for (auto& [role, version] : info.data) {
    const auto digest = DigestOf(version.path);
    if (digest.ok()) version.digest = *digest;
  }
  return Ok();
}

}  // namespace muster::trainer::run
