#include "registry/fleet/manifest.h"

#include <algorithm>
#include <boost/describe.hpp>
#include <filesystem>

#include "registry/rollout/rollout.h"
#include "runtime/base/base64.h"
#include "runtime/wire/codec.h"

namespace muster::registry {

BOOST_DESCRIBE_STRUCT(FleetFile, (), (path, bytes, sha256, url))
BOOST_DESCRIBE_STRUCT(FleetVersion, (), (version, percent, files))
BOOST_DESCRIBE_STRUCT(FleetManifest, (), (format, model, sequence, salt, versions))

namespace {

constexpr std::string_view kPayloadType = "application/vnd.muster.fleet+json";

struct DsseSignature {
  std::string keyid, sig;
};
BOOST_DESCRIBE_STRUCT(DsseSignature, (), (keyid, sig))
struct Dsse {
  std::string payload, payloadType;  // NOLINT(readability-identifier-naming): DSSE's name
  std::vector<DsseSignature> signatures;
};
BOOST_DESCRIBE_STRUCT(Dsse, (), (payload, payloadType, signatures))

bool StaysInside(const std::string& path) {
  const std::filesystem::path normal = std::filesystem::path(path).lexically_normal();
  return !path.empty() && normal.is_relative() && normal.generic_string() == path && path != "." &&
         *normal.begin() != "..";
}

Status Check(const FleetManifest& manifest) {
  if (manifest.format != 1) {
    return Unsupported("its format is " + std::to_string(manifest.format) +
                       ", this muster knows 1");
  }
  double before = 0;
  for (const FleetVersion& version : manifest.versions) {
    const std::string at = "version " + std::to_string(version.version) + ": ";
    if (!(version.percent > before && version.percent <= 100)) {
      return Corrupt(at + "its percent is not above that of the one before it, up to 100");
    }
    before = version.percent;
    for (const FleetFile& file : version.files) {
      if (!StaysInside(file.path)) return Corrupt(at + "'" + file.path + "' is no file of its own");
      if (!file.url.starts_with('/') || file.url.starts_with("//")) {
        return Corrupt(at + "'" + file.url + "' is no path of the server's");
      }
    }
  }
  return Ok();
}

}  // namespace

std::string ToJson(const FleetManifest& manifest) {
  return wire::SerializeJson(wire::ToJson(manifest));
}

Result<FleetManifest> FleetManifestFromJson(std::string_view text) {
  auto manifest = wire::Decode<FleetManifest>(text);
  if (!manifest.ok()) return Corrupt(manifest.error().message);
  MUSTER_RETURN_IF_ERROR(Check(*manifest));
  return manifest;
}

Result<FleetManifest> NextFleetManifest(const FleetManifest& current, const FleetVersion& wanted,
                                        double percent) {
  if (!(percent >= 0 && percent <= 100)) {
    return Invalid("percent: wanted 0 to 100, got " + std::to_string(percent));
  }
  FleetManifest next;
  next.model = current.model;
  next.sequence = current.sequence + 1;
  next.salt = current.model + "/" + std::to_string(wanted.version);
  if (percent > 0) {
    next.versions.push_back(wanted);
    next.versions.back().percent = percent;
  }
  const auto base = std::ranges::find_if(current.versions, [&](const FleetVersion& version) {
    return version.percent == 100 && version.version != wanted.version;
  });
  if (percent < 100 && base != current.versions.end()) next.versions.push_back(*base);
  if (next.versions.empty()) {
    return Invalid("nothing would be left: no other version is on all devices");
  }
  return next;
}

const FleetVersion* VersionForDevice(const FleetManifest& manifest, std::string_view device) {
  const double point = 100 * StickyPoint(manifest.salt, device);
  const auto found = std::ranges::find_if(
      manifest.versions, [&](const FleetVersion& version) { return point < version.percent; });
  return found == manifest.versions.end() ? nullptr : &*found;
}

std::string FleetSignedBytes(std::string_view payload) {
  return "DSSEv1 " + std::to_string(kPayloadType.size()) + " " + std::string(kPayloadType) + " " +
         std::to_string(payload.size()) + " " + std::string(payload);
}

std::string FleetEnvelope(std::string_view payload, std::string_view signature,
                          std::string_view key_hint) {
  return wire::SerializeJson(
             wire::ToJson(Dsse{EncodeBase64(payload),
                               std::string(kPayloadType),
                               {{std::string(key_hint), EncodeBase64(signature)}}})) +
         "\n";
}

Result<FleetSigned> ParseFleetEnvelope(std::string_view envelope) {
  const auto dsse = wire::Decode<Dsse>(envelope, wire::Unknown::kRefuse);
  if (!dsse.ok()) return Corrupt("the fleet's envelope: " + dsse.error().message);
  if (dsse->payloadType != kPayloadType || dsse->signatures.size() != 1) {
    return Corrupt("the fleet's envelope: wanted one signature of " + std::string(kPayloadType));
  }
  auto payload = DecodeBase64(dsse->payload);
  auto signature = DecodeBase64(dsse->signatures[0].sig);
  if (!payload.ok() || !signature.ok()) return Corrupt("the fleet's envelope: not base64");
  return FleetSigned{std::move(*payload), std::move(*signature)};
}

}  // namespace muster::registry
