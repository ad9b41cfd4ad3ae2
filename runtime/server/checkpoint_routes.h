#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "runtime/base/ids.h"
#include "runtime/base/result.h"
#include "runtime/wire/http.h"

/// Checkpoints over HTTP, for a rank that shares no folder with the server. All below /api/muster/v1, with the token of a
/// live attempt (MLFLOW_TRACKING_TOKEN) as bearer; an attempt that is over is refused with 403.
///
///   GET  checkpoints/<folder>           {"files": [{"path", "bytes", "sha256"}, ...]} of a folder of the trial's sweep: its
///                                       own, "<sweep>/<n>", or one that it may start from, "<sweep>/<m>.at/<copy>"
///   GET  checkpoint-files/<folder>/<path>   one file; parts of it by Range
///   GET  checkpoint-objects/<sha256>    200 when those bytes have been sent already, else 404
///   PUT  checkpoint-objects/<sha256>    the bytes of a file; compared with their name
///   POST checkpoints                    {"files": [...]}: the trial's folder becomes that list, as one step. Bytes that it
///                                       holds under whatever name are not sent again; 404 names those that are missing
///
/// So a save is: PUT what is new, POST the list, and then tell the checkpoint's record. Sent again after a loss, each does
/// what it did. Bytes that no list took go with the trial's next list, or when the server starts.

namespace muster::server {

struct CheckpointParts {
  std::filesystem::path root;  ///< of all checkpoints; bytes on their way lie in <root>/.incoming
  /// The trial of the live attempt whose token it is: kUnauthorized, kFenced, kUnavailable. Any thread.
  std::function<Result<TrialId>(const std::string& token)> trial_of;
};

/// Deletes what was on its way when the server ended.
void AddCheckpointRoutes(http::Router& router, const CheckpointParts& parts);

}  // namespace muster::server
