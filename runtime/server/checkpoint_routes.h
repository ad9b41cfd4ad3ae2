#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "runtime/base/ids.h"
#include "runtime/base/result.h"
#include "runtime/wire/http.h"

/// Checkpoints over HTTP, for nodes that share no folder with the server: agents bring and send them by checkpoint_client.h,
/// or a trial does so itself. All below /api/muster/v1, with the token of a live attempt (MLFLOW_TRACKING_TOKEN) as bearer;
/// an attempt that is over is refused with 403.
///
///   GET  checkpoints/<folder>           {"files": [{"path", "bytes", "sha256"}, ...]} of a folder of the trial's sweep: its
///                                       own, "<sweep>/<n>", or one that it may start from, "<sweep>/<m>.at/<copy>"
///   GET  checkpoint-files/<folder>/<path>   one file; parts of it by Range
///   GET  checkpoint-objects/<sha256>    200 when those bytes have been sent already, else 404
///   PUT  checkpoint-objects/<sha256>    the bytes of a file; compared with their name
///   POST checkpoints                    {"files": [...]}: the trial's folder becomes that list, as one step. Bytes that it
///                                       holds under whatever name are not sent again; 404 names those that are missing.
///                                       "keep": S copies it for clones (runtime/coordinator/checkpoints.h) and answers
///                                       {"kept": true} when that could be done
///
/// So a save is: PUT what is new, POST the list, and then tell the checkpoint's record. Sent again after a loss, each does
/// what it did. Bytes that no list took go with the trial's next list, or when the server starts.

namespace muster::server {

struct CheckpointOwner {
  TrialId trial;
  AttemptEpoch epoch;
};

struct CheckpointParts {
  std::filesystem::path root;  ///< of all checkpoints; bytes on their way lie in <root>/.incoming
  /// The live attempt whose token it is: kUnauthorized, kFenced, kUnavailable. Any thread.
  std::function<Result<CheckpointOwner>(const std::string& token)> owner_of;
};

/// What `<root>/.store` reads: by it a node knows that it sees the same folder. Made, with the folder, when it is not
/// there; kIo.
Result<std::string> MarkCheckpointStore(const std::filesystem::path& root);

/// What all servers that carry the routes share.
class Checkpoints;
/// Deletes what was on its way when the server ended.
std::shared_ptr<Checkpoints> MakeCheckpoints(CheckpointParts parts);
void AddCheckpointRoutes(http::Router& router, const std::shared_ptr<Checkpoints>& checkpoints);

}  // namespace muster::server
