#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"

/// What devices poll to learn which version of a model is theirs: a signed manifest a model. Pure.
///
/// Any device, in any language, that follows it:
///   1. GETs the manifest with If-None-Match; 304: nothing has changed.
///   2. Checks the envelope (DSSE v1, github.com/secure-systems-lab/dsse): `signatures[0].sig`, base64 of a DER ECDSA
///      signature with SHA-256 on P-256, over "DSSEv1 <bytes of type> <type> <bytes of payload> <payload>", by a public
///      key that came to it another way. The payload is base64 in the envelope.
///   3. Refuses another `model` than its own and a `sequence` below one that it has seen: an old manifest sent again.
///   4. Takes its point: the SHA-256 of "<salt>\n<its id>", of that the first 13 hexadecimal digits as a number, divided by
///      2^52 (StickyPoint of rollout.h). Its version is the first of `versions` whose percent is above 100 times the point.
///      Whoever has a version at 5 % has it at 25 %; none: the device keeps what it has.
///   5. Fetches `files` (`url` is below the server's address), checks bytes and SHA-256 of each, and only then swaps.

namespace muster::registry {

struct FleetFile {
  std::string path;  ///< below the version's directory, '/' between folders
  std::int64_t bytes = 0;
  std::string sha256;  ///< hex
  std::string url;     ///< begins with '/'
};

struct FleetVersion {
  std::int64_t version = 0;
  double percent = 0;  ///< of the devices, counted with those of the versions before it; (0, 100]
  std::vector<FleetFile> files;
};

struct FleetManifest {
  std::int64_t format = 1;
  std::string model;
  std::int64_t sequence = 0;  ///< 1, 2, ...: grows with each manifest of the model
  std::string salt;           ///< "digits/3": each version draws its devices anew
  std::vector<FleetVersion> versions;
};

std::string ToJson(const FleetManifest& manifest);
/// kCorrupt names the member: also for a path that leads out of its directory, a url of another server and percents
/// that do not grow.
Result<FleetManifest> FleetManifestFromJson(std::string_view text);

/// The manifest that follows `current` (nothing yet: sequence 0), in which `percent` of the devices have `wanted`
/// and the others what all had before. 100: all; 0: none, it is withdrawn. A version that was on its way and is not
/// `wanted` is dropped. kInvalid outside of [0, 100], and when nothing would be left.
Result<FleetManifest> NextFleetManifest(const FleetManifest& current, const FleetVersion& wanted,
                                        double percent);

/// Null: none.
const FleetVersion* VersionForDevice(const FleetManifest& manifest, std::string_view device);

/// What is signed.
std::string FleetSignedBytes(std::string_view payload);
/// {"payload", "payloadType", "signatures": [{"keyid", "sig"}]}; `signature` is DER, `key_hint` KeyHint's.
std::string FleetEnvelope(std::string_view payload, std::string_view signature,
                          std::string_view key_hint);
struct FleetSigned {
  std::string payload, signature;
};
/// kCorrupt. Does not judge the signature.
Result<FleetSigned> ParseFleetEnvelope(std::string_view envelope);

}  // namespace muster::registry
