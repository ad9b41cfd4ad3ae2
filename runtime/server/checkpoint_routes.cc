#include "runtime/server/checkpoint_routes.h"

#include <array>
#include <memory>
#include <mutex>
#include <system_error>

#include "cluster/local/checkpoint_copies.h"
#include "cluster/local/checkpoint_push.h"
#include "cluster/local/folder_state.h"
#include "runtime/base/file.h"
#include "runtime/base/log.h"
#include "runtime/base/random.h"
#include "runtime/base/sha256.h"
#include "runtime/server/checkpoint_list.h"

namespace muster::server {
namespace {

namespace fs = std::filesystem;
using cluster::local::FileSet;
using http::Request;
using http::Response;

Response Answer(const Result<wire::Json>& answer) {
  return answer.ok() ? Response::Json(*answer) : http::ErrorResponse(answer.error());
}

const std::string& Capture(const Request& request, const char* name) {
  return request.captures.find(name)->second;
}

Result<CheckpointOwner> OwnerOf(const CheckpointParts& parts, const Request& request) {
  const std::string token(request.BearerToken());
  if (token.empty()) return Unauthorized("wanted the token of an attempt as bearer");
  return parts.owner_of(token);
}

}  // namespace

class Checkpoints {
 public:
  explicit Checkpoints(CheckpointParts parts) : parts_(std::move(parts)) {
    std::error_code ignored;
    fs::remove_all(parts_.root / ".incoming", ignored);
  }

  Result<wire::Json> List(const Request& request) {
    const std::string& name = Capture(request, "folder");
    MUSTER_ASSIGN_OR_RETURN(const fs::path folder, Readable(request, name));
    const std::lock_guard guard(MutexOf(name));
    MUSTER_ASSIGN_OR_RETURN(auto files, cluster::local::ReadFileSet(folder, &digests_));
    return wire::ToJson(CheckpointList{.files = std::move(files)});
  }

  Response File(const Request& request) const {
    const auto file = Readable(request, Capture(request, "path"));
    if (!file.ok()) return http::ErrorResponse(file.error());
    std::error_code error;
    if (!fs::is_regular_file(fs::symlink_status(*file, error)))
      return http::ErrorResponse(NotFound(Capture(request, "path") + " is not there"));
    Response response;
    response.body_file = *file;
    return response;
  }

  Result<wire::Json> Has(const Request& request) const {
    MUSTER_ASSIGN_OR_RETURN(const fs::path object, Object(request));
    std::error_code error;
    if (fs::exists(object, error)) return wire::Json(boost::json::object());
    return NotFound("those bytes have not been sent");
  }

  Result<wire::Json> Put(const Request& request) {
    MUSTER_ASSIGN_OR_RETURN(const fs::path object, Object(request));
    const bool spooled = !request.body_file.empty();
    const std::string seen = spooled ? request.body_sha256 : Sha256Hex(request.body);
    const std::string& wanted = Capture(request, "sha256");
    if (seen != wanted)
      return Invalid("the bytes have the SHA-256 " + seen + "; wanted " + wanted +
                     ": send them again");
    MUSTER_RETURN_IF_ERROR(MakeFolders(object.parent_path()));
    // Not durable yet: the list that takes it is.
    const fs::path partial = object.string() + "." + RandomHex(4);
    std::error_code error;
    if (!spooled) {
      MUSTER_RETURN_IF_ERROR(ReplaceFile(partial, request.body));
    } else if (fs::rename(request.body_file, partial, error); error) {
      fs::copy_file(request.body_file, partial, error);  // from another file system
    }
    if (!error) fs::rename(partial, object, error);
    if (error) return cluster::local::FolderError("keep", object, error);
    digests_.Note(object, wanted);
    return wire::Json(boost::json::object());
  }

  Result<wire::Json> Commit(const Request& request) {
    MUSTER_ASSIGN_OR_RETURN(const CheckpointList wanted,
                            wire::Decode<CheckpointList>(request.body.empty() ? "{}" : request.body,
                                                         wire::Unknown::kRefuse));
    MUSTER_ASSIGN_OR_RETURN(const CheckpointOwner owner, OwnerOf(parts_, request));
    const std::string& trial = owner.trial.value;
    const std::lock_guard guard(MutexOf(trial));
    const fs::path incoming = Incoming(owner.trial);
    // Asked again once all is ready: a newer attempt may have come meanwhile, and what it finds there stays.
    const auto still = [&]() -> Status {
      MUSTER_RETURN_IF_ERROR(OwnerOf(parts_, request));
      return Ok();
    };
    MUSTER_RETURN_IF_ERROR(still());
    MUSTER_RETURN_IF_ERROR(cluster::local::BecomeFileSet(parts_.root / trial, wanted.files,
                                                         incoming, still, &digests_));
    std::error_code ignored;
    fs::remove_all(incoming, ignored);
    boost::json::object answer{{"files", wanted.files.size()}};
    if (wanted.keep) answer["kept"] = Keep(owner, *wanted.keep);
    return wire::Json(std::move(answer));
  }

 private:
  [[nodiscard]] Result<TrialId> TrialOf(const Request& request) const {
    MUSTER_ASSIGN_OR_RETURN(CheckpointOwner owner, OwnerOf(parts_, request));
    return std::move(owner.trial);
  }
  /// As a shim does where it shares the folder (CheckpointKeeper).
  [[nodiscard]] bool Keep(const CheckpointOwner& owner, std::int64_t step) const {
    const std::string name = std::to_string(step) + ".a-" + std::to_string(owner.epoch.value);
    const fs::path copies = parts_.root / (owner.trial.value + ".at");
    const Status copied = cluster::local::CopyFolder(parts_.root / owner.trial.value,
                                                     copies / (name + ".partial"), copies / name);
    if (!copied.ok()) LogWarning("server", "no clone can start from it: " + copied.error().message);
    return copied.ok();
  }
  std::mutex& MutexOf(const std::string& folder) {
    return mutexes_[std::hash<std::string>()(folder) % mutexes_.size()];
  }
  [[nodiscard]] fs::path Incoming(const TrialId& trial) const {
    return parts_.root / ".incoming" / trial.value;
  }
  [[nodiscard]] Result<fs::path> Object(const Request& request) const {
    MUSTER_ASSIGN_OR_RETURN(const TrialId trial, TrialOf(request));
    const std::string& sha256 = Capture(request, "sha256");
    MUSTER_RETURN_IF_ERROR(cluster::local::CheckFileSet({{.path = "object", .sha256 = sha256}}));
    return Incoming(trial) / sha256;
  }
  /// Of the sweep of whoever asks.
  [[nodiscard]] Result<fs::path> Readable(const Request& request, const std::string& path) const {
    MUSTER_ASSIGN_OR_RETURN(const TrialId trial, TrialOf(request));
    MUSTER_RETURN_IF_ERROR(
        cluster::local::CheckFileSet({{.path = path, .sha256 = std::string(64, '0')}}));
    const std::string sweep = trial.value.substr(0, trial.value.rfind('/') + 1);
    if (!path.starts_with(sweep))
      return Fenced("'" + path + "' is of another sweep than trial " + trial.value);
    const fs::path there = parts_.root / path;
    std::error_code error;
    if (fs::weakly_canonical(there, error) != fs::weakly_canonical(parts_.root, error) / path)
      return NotFound("'" + path + "' leads elsewhere");
    MUSTER_RETURN_IF_ERROR(cluster::local::Recover(parts_.root / trial.value));
    return there;
  }

  const CheckpointParts parts_;
  cluster::local::DigestCache digests_;
  std::array<std::mutex, 16> mutexes_;  ///< a folder's, by the hash of its name
};

Result<std::string> MarkCheckpointStore(const fs::path& root) {
  const fs::path file = root / cluster::local::kCheckpointStore;
  auto text = ReadWholeFile(file);
  if (text.ok() && !text->empty()) return text;
  if (!text.ok() && text.error().kind != ErrorKind::kNotFound) return text;
  MUSTER_RETURN_IF_ERROR(MakeFolders(root));
  std::string made = RandomHex(16);
  MUSTER_RETURN_IF_ERROR(WriteFileAtomically(file, made));
  return made;
}

std::shared_ptr<Checkpoints> MakeCheckpoints(CheckpointParts parts) {
  return std::make_shared<Checkpoints>(std::move(parts));
}

void AddCheckpointRoutes(http::Router& router, const std::shared_ptr<Checkpoints>& checkpoints) {
  const std::string base = "/api/muster/v1/checkpoint";
  router.AddBlocking("GET", base + "s/{folder...}", http::Sync([=](const Request& request) {
                       return Answer(checkpoints->List(request));
                     }));
  router.AddBlocking("GET", base + "-files/{path...}", http::Sync([=](const Request& request) {
                       return checkpoints->File(request);
                     }));
  router.AddBlocking("GET", base + "-objects/{sha256}", http::Sync([=](const Request& request) {
                       return Answer(checkpoints->Has(request));
                     }));
  router.AddUpload("PUT", base + "-objects/{sha256}", http::Sync([=](const Request& request) {
                     return Answer(checkpoints->Put(request));
                   }));
  router.AddBlocking("POST", base + "s", http::Sync([=](const Request& request) {
                       return Answer(checkpoints->Commit(request));
                     }));
}

}  // namespace muster::server
