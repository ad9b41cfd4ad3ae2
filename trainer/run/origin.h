#pragma once

#include <map>
#include <string>

#include "registry/evaluation.h"
#include "trainer/run/options.h"

/// What a checkpoint says of where it came from, as metadata "data" and "environment" (JSON), and what an export makes of
/// it. The environment: program, muster, libtorch, device, cpu, cpus, threads, ranks, attempt, system, and container where
/// MUSTER_CONTAINER names one.

namespace muster::trainer::run {

/// Of a training with these options, on a device of that name. Data files are not read: of each role the path and a
/// stamp, which is made of the names, sizes and times of its files.
std::map<std::string, std::string> OriginMetadata(const Options& options, const Trial& trial,
                                                  const std::string& device);

/// Datasets of more bytes than that, all together, get no digest: hashing takes about a second a gigabyte.
inline constexpr std::uintmax_t kDigestBytes = std::uintmax_t{16} << 30;

/// Puts data and environment of a checkpoint into `info`. Files are hashed now; `changed` where their stamp is not that
/// of the training. Roles that the checkpoint does not know (an older program made it) come from `data` and count as
/// unchanged; files that cannot be read have no digest and count as changed. kCorrupt for metadata that is no JSON.
Status AddOrigin(const std::map<std::string, std::string>& metadata,
                 const std::map<std::string, std::string>& data, registry::ExportInfo& info);

}  // namespace muster::trainer::run
