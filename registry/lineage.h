#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "registry/evaluation.h"
#include "registry/model_store.h"
#include "runtime/wire/sweep_spec.h"

/// Where a version came from, and which versions came from something. Pure.
///
/// Up, it is kept three times: in the package's card.json, in the audit (action version.lineage, under LineageRequest),
/// whose chain shows an edit, and in part as tags. Down, the tags are searched: muster.sweep, muster.trial,
/// muster.commit and muster.data.<role> (train, validation, test), which MLflow's clients can search for too.

namespace muster::registry {

struct Lineage {
  std::string sweep, trial, run_id, checkpoint;
  std::int64_t attempt = 0;  ///< the epoch of the one that wrote the checkpoint; 0: not known
  boost::json::object params;
  std::map<std::string, std::string> data;          ///< role -> path
  std::map<std::string, std::string> data_digests;  ///< role -> digest, as DataVersion's
  std::vector<std::string> data_changed;  ///< roles whose files are not those that training read
  std::map<std::string, double> metrics;  ///< as the trial saw them
  wire::CodeSpec code;                    ///< of the sweep file's folder when it was submitted
  std::map<std::string, std::string> environment;  ///< of the training; ExportInfo's
};

/// What the export knows of it: data, metrics, environment, attempt.
void AddExport(const ExportInfo& info, Lineage& lineage);
/// As card.json and the audit have it; the diff itself is left out, its digest not.
boost::json::object LineageJson(const Lineage& lineage);
/// The tag that holds the request id of the promotion that made a version.
inline constexpr std::string_view kRequestTag = "muster.lineage";
std::vector<Tag> LineageTags(const Lineage& lineage, std::string_view request_id);
inline constexpr std::string_view kLineageAction = "version.lineage";
/// The audit's request id for what the promotion `request_id` found out.
std::string LineageRequest(std::string_view request_id);
/// The same from a version's tags; kNotFound for a version that no promotion made.
Result<std::string> LineageRequest(const ModelVersion& version);

/// One of these: what versions are asked for by.
struct LineageQuery {
  std::string data;    ///< digest of a dataset in any role, or its first 7 digits or more
  std::string commit;  ///< or its first 7 digits or more
  std::string sweep;
};
/// Filters of SearchVersions; a version that any of them finds came from it. kInvalid unless one thing is asked for,
/// in its form.
Result<std::vector<std::string>> LineageFilters(const LineageQuery& query);

}  // namespace muster::registry
