#include "runtime/cli/fleet_pull.h"

#include <algorithm>
#include <boost/describe.hpp>
#include <boost/json/object.hpp>
#include <iostream>
#include <memory>
#include <thread>

#include "registry/files/model_key.h"
#include "registry/files/signed_directory.h"
#include "registry/fleet/manifest.h"
#include "runtime/base/file.h"
#include "runtime/cli/follow.h"
#include "runtime/wire/codec.h"

namespace muster::cli {
namespace {

namespace fs = std::filesystem;

struct PullFlags {
  std::string url, device, dir, public_key;
  int every = 0;
};

struct DeviceState {
  std::string model, etag;
  std::int64_t sequence = 0, version = 0;
};
BOOST_DESCRIBE_STRUCT(DeviceState, (), (model, etag, sequence, version))

class Device {
 public:
  Device(const PullFlags& flags, std::string key)
      : flags_(flags),
        key_(std::move(key)),
        dir_(flags.dir),
        path_at_(flags.url.find('/', flags.url.find("://") + 3)),
        client_(flags.url.substr(0, path_at_)) {}

  /// What it did, in a word: "unchanged", "kept", "swapped".
  Result<std::string> Pull() {
    MUSTER_RETURN_IF_ERROR(ReadState());
    http::Request request;
    request.method = "GET";
    if (!state_.etag.empty()) request.headers["If-None-Match"] = state_.etag;
    MUSTER_ASSIGN_OR_RETURN(const auto answer,
                            client_.Send(flags_.url.substr(path_at_), std::move(request)));
    if (answer.status == 304) return std::string("unchanged");
    if (answer.status != 200) return http::ErrorFromResponse(answer).With(flags_.url);
    MUSTER_ASSIGN_OR_RETURN(const auto manifest, Judge(answer.body));
    const auto* wanted = registry::VersionForDevice(manifest, flags_.device);
    std::string did = "kept";
    if (wanted != nullptr && wanted->version != state_.version) {
      MUSTER_RETURN_IF_ERROR(Fetch(*wanted));
      MUSTER_RETURN_IF_ERROR(Swap(wanted->version));
      did = "swapped";
    }
    const std::int64_t previous = state_.version;
    if (wanted != nullptr) state_.version = wanted->version;
    state_.model = manifest.model;
    state_.sequence = manifest.sequence;
    const auto etag = answer.headers.find("ETag");
    state_.etag = etag == answer.headers.end() ? "" : etag->second;
    MUSTER_RETURN_IF_ERROR(
        WriteFileAtomically(dir_ / "state.json", wire::SerializeJson(wire::ToJson(state_)) + "\n"));
    if (did == "swapped") Prune(previous);
    return did;
  }
  [[nodiscard]] const DeviceState& state() const { return state_; }

 private:
  [[nodiscard]] fs::path VersionFolder(std::int64_t version) const {
    return dir_ / "versions" / std::to_string(version);
  }

  Status ReadState() {
    const auto text = ReadWholeFile(dir_ / "state.json");
    if (!text.ok() && text.error().kind == ErrorKind::kNotFound) return Ok();
    if (!text.ok()) return text.error();
    MUSTER_ASSIGN_OR_RETURN(state_, wire::Decode<DeviceState>(*text));
    return Ok();
  }

  Result<registry::FleetManifest> Judge(const std::string& envelope) const {
    MUSTER_ASSIGN_OR_RETURN(const auto parts, registry::ParseFleetEnvelope(envelope));
    const Status verified =
        registry::VerifySignature(key_, registry::FleetSignedBytes(parts.payload), parts.signature);
    if (!verified.ok()) return verified.error().With("the manifest of " + flags_.url);
    MUSTER_ASSIGN_OR_RETURN(auto manifest, registry::FleetManifestFromJson(parts.payload));
    if (!state_.model.empty() && manifest.model != state_.model) {
      return Corrupt("the manifest is of " + manifest.model + ", this device has " + state_.model);
    }
    if (manifest.sequence < state_.sequence) {
      return Corrupt("manifest " + std::to_string(manifest.sequence) + " is older than " +
                     std::to_string(state_.sequence) + ", which this device has followed");
    }
    return manifest;
  }

  static Status CheckFile(const registry::FleetFile& file, const fs::path& path) {
    MUSTER_ASSIGN_OR_RETURN(const auto digest, registry::DigestFile(path));
    if (digest.bytes == file.bytes && digest.sha256 == file.sha256) return Ok();
    return Corrupt(file.path + " is not what the manifest says: SHA-256 " + digest.sha256 + " in " +
                   std::to_string(digest.bytes) + " bytes, wanted " + file.sha256 + " in " +
                   std::to_string(file.bytes));
  }

  /// A version that lies there whole is not fetched again.
  Status Fetch(const registry::FleetVersion& version) {
    const fs::path folder = VersionFolder(version.version);
    std::error_code code;
    if (fs::exists(folder, code)) {
      const bool whole = std::ranges::all_of(version.files, [&](const auto& file) {
        return CheckFile(file, folder / file.path).ok();
      });
      if (whole) return Ok();
      fs::remove_all(folder, code);
    }
    const fs::path temporary = folder.string() + ".tmp";
    fs::remove_all(temporary, code);
    for (const auto& file : version.files) {
      const fs::path target = temporary / file.path;
      fs::create_directories(target.parent_path(), code);
      if (code) return IoError(target.parent_path().string(), code.value());
      MUSTER_RETURN_IF_ERROR(client_.Download(file.url, target));
      MUSTER_RETURN_IF_ERROR(CheckFile(file, target));
      MUSTER_RETURN_IF_ERROR(SyncToDisk(target));
    }
    fs::rename(temporary, folder, code);
    if (code) return IoError(folder.string(), code.value());
    return SyncToDisk(folder.parent_path());
  }

  Status Swap(std::int64_t version) {
    const fs::path link = dir_ / "current.tmp";
    std::error_code code;
    fs::remove(link, code);
    fs::create_symlink(fs::path("versions") / std::to_string(version), link, code);
    if (!code) fs::rename(link, dir_ / "current", code);
    if (code) return IoError((dir_ / "current").string(), code.value());
    return SyncToDisk(dir_);
  }

  /// All but the version and the one before it.
  void Prune(std::int64_t previous) {
    std::error_code code;
    for (const auto& entry : fs::directory_iterator(dir_ / "versions", code)) {
      if (entry.path() == VersionFolder(state_.version)) continue;
      if (previous != 0 && entry.path() == VersionFolder(previous)) continue;
      std::error_code ignored;
      fs::remove_all(entry.path(), ignored);
    }
  }

  const PullFlags& flags_;
  const std::string key_;
  const fs::path dir_;
  const std::size_t path_at_;
  http::Client client_;
  DeviceState state_;
};

/// Once, or until it is interrupted: then an error is told and the next time tried again.
int Pull(const Context& context, const PullFlags& flags) {
  if (flags.url.find('/', flags.url.find("://") + 3) == std::string::npos) {
    return Fail(context, Invalid("'" + flags.url +
                                 "' names no model; wanted like "
                                 "http://127.0.0.1:7070/api/muster/v1/fleet/digits"));
  }
  const auto key = ReadWholeFile(flags.public_key, 1 << 16);
  if (!key.ok()) return Fail(context, key.error());
  std::error_code code;
  fs::create_directories(fs::path(flags.dir) / "versions", code);
  if (code) return Fail(context, IoError(flags.dir, code.value()));
  Device device(flags, *key);
  const InterruptNote interrupt;
  for (;;) {
    const auto did = device.Pull();
    if (!did.ok() && flags.every == 0) return Fail(context, did.error());
    if (!did.ok()) Fail(context, did.error());
    const auto& state = device.state();
    if (did.ok() && !PrintJson(context, boost::json::object{{"did", *did},
                                                            {"model", state.model},
                                                            {"sequence", state.sequence},
                                                            {"version", state.version}})) {
      std::cout << *did << ": " << state.model << " version " << state.version << ", manifest "
                << state.sequence << std::endl;
    }
    if (flags.every == 0) return kDone;
    for (int second = 0; second < flags.every; ++second) {
      std::this_thread::sleep_for(std::chrono::seconds(1));
      if (interrupt.seen()) return kInterrupted;
    }
  }
}

}  // namespace

void AddFleetPull(CLI::App& fleet, Context& context) {
  auto* command = fleet.add_subcommand("pull", "Be a device: fetch the version that is its own");
  auto flags = std::make_shared<PullFlags>();
  command->add_option("url", flags->url, "http://.../api/muster/v1/fleet/NAME")->required();
  command->add_option("--device", flags->device, "The device's id, which must stay the same")
      ->required();
  command->add_option("--dir", flags->dir, "Where versions are kept")->required();
  command
      ->add_option("--public-key", flags->public_key,
                   "PEM file: what manifests must be signed with (keys/model-signing.pub)")
      ->required();
  command->add_option("--every", flags->every, "Seconds between looks; 0: look once")
      ->check(CLI::Range(0, 86'400))
      ->capture_default_str();
  command->callback(
      [&context, flags] { context.run = [&context, flags] { return Pull(context, *flags); }; });
}

}  // namespace muster::cli
