#include "runtime/server/checkpoint_client.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <thread>
#include <utility>

#include "cluster/local/folder_state.h"
#include "runtime/base/clock.h"
#include "runtime/base/file.h"
#include "runtime/base/file_digest.h"
#include "runtime/server/checkpoint_list.h"

namespace muster::server {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using cluster::local::FileEntry;
using cluster::local::FileSet;

/// Of one answer, which is held in memory.
constexpr std::int64_t kPartBytes = std::int64_t{8} << 20;
constexpr auto kAgainFirst = 100ms, kAgainMost = 2000ms;

const std::string kApi = "/api/muster/v1/checkpoint";

Error Failed(const std::string& what, const fs::path& path, int code) {
  return cluster::local::FolderError(what, path, {code, std::generic_category()});
}

Status AppendTo(const fs::path& file, std::string_view bytes) {
  const int fd = open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0) return Failed("open", file, errno);
  Status status;
  while (!bytes.empty() && status.ok()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written >= 0) bytes.remove_prefix(static_cast<std::size_t>(written));
    if (written < 0 && errno != EINTR) status = Failed("write", file, errno);
  }
  close(fd);
  return status;
}

std::int64_t SizeOf(const fs::path& file) {
  std::error_code error;
  const auto size = fs::file_size(file, error);
  return error ? 0 : static_cast<std::int64_t>(size);
}

/// The folder changed while it was read, or the server has lost what was on its way: all from the beginning.
bool IsToBeReadAgain(const Error& error) {
  return error.kind == ErrorKind::kNotFound || error.kind == ErrorKind::kInvalid;
}

}  // namespace

CheckpointClient::CheckpointClient(Options options)
    : options_(std::move(options)), client_(options_.url, options_.patience) {
  client_.SetToken(options_.token);
}

template <typename Try>
auto CheckpointClient::Patiently(Try attempt) -> decltype(attempt()) {
  const MonotonicTime end = SystemClock().Now() + options_.patience;
  for (std::chrono::milliseconds pause = kAgainFirst;; pause = std::min(pause * 2, kAgainMost)) {
    auto answer = attempt();
    if (answer.ok() || answer.error().kind != ErrorKind::kUnavailable ||
        SystemClock().Now() + pause >= end) {
      return answer;
    }
    std::this_thread::sleep_for(pause);
  }
}

Result<boost::json::value> CheckpointClient::Ask(std::string_view method, const std::string& path,
                                                 const std::optional<boost::json::value>& body) {
  return Patiently([&] { return client_.Json(method, kApi + path, body); });
}

Result<FileSet> CheckpointClient::ListOf(const std::string& folder) {
  MUSTER_ASSIGN_OR_RETURN(const auto answer, Ask("GET", "s/" + http::PercentEncode(folder, true)));
  MUSTER_ASSIGN_OR_RETURN(auto list, wire::FromJson<CheckpointList>(answer));
  MUSTER_RETURN_IF_ERROR(cluster::local::CheckFileSet(list.files));
  return std::move(list.files);
}

Status CheckpointClient::Pull(const fs::path& folder, const fs::path& arriving,
                              const std::string& start, const Progress& progress) {
  MUSTER_RETURN_IF_ERROR(cluster::local::Recover(folder));
  MUSTER_RETURN_IF_ERROR(MakeFolders(folder));
  MUSTER_RETURN_IF_ERROR(MakeFolders(arriving));
  std::string from = options_.trial.value;
  MUSTER_ASSIGN_OR_RETURN(FileSet want, ListOf(from));
  if (want.empty() && !start.empty()) {
    from = start;
    MUSTER_ASSIGN_OR_RETURN(want, ListOf(from));
  }
  MUSTER_ASSIGN_OR_RETURN(const FileSet have, cluster::local::ReadFileSet(folder));
  if (have == want) return Ok();
  const auto plan = cluster::local::PlanTransfer(have, want);
  std::int64_t done = 0;
  for (const FileEntry& file : plan.fetch) {
    MUSTER_RETURN_IF_ERROR(Fetch(from, file, arriving, [&](std::int64_t bytes) {
      if (progress) progress(done + bytes, plan.bytes);
    }));
    done += file.bytes;
  }
  return cluster::local::BecomeFileSet(folder, want, arriving);
}

Status CheckpointClient::Fetch(const std::string& from, const FileEntry& file,
                               const fs::path& arriving,
                               const std::function<void(std::int64_t)>& moved) {
  const fs::path whole = arriving / file.sha256;
  const fs::path part = arriving / (file.sha256 + ".part");
  std::error_code error;
  if (fs::exists(whole, error)) return Ok();
  const std::string target = kApi + "-files/" + http::PercentEncode(from + "/" + file.path, true);
  if (SizeOf(part) > file.bytes) fs::remove(part, error);
  if (file.bytes == 0) MUSTER_RETURN_IF_ERROR(AppendTo(part, ""));
  for (std::int64_t at = SizeOf(part); at < file.bytes; at = SizeOf(part)) {
    http::Request request;
    const std::int64_t last = std::min(at + kPartBytes, file.bytes) - 1;
    request.headers["Range"] = "bytes=" + std::to_string(at) + "-" + std::to_string(last);
    MUSTER_ASSIGN_OR_RETURN(const http::Response answer, Patiently([&]() -> Result<http::Response> {
                              auto got = client_.Send(target, request);
                              if (got.ok() && got->status >= 400)
                                return http::ErrorFromResponse(*got);
                              return got;
                            }));
    const auto wanted = static_cast<std::size_t>(last - at + 1);
    if (answer.status != 206 || answer.body.size() != wanted)
      return Corrupt(target + ": wanted " + std::to_string(wanted) + " bytes of it (206), got " +
                     std::to_string(answer.body.size()) + " (" + std::to_string(answer.status) +
                     ")");
    MUSTER_RETURN_IF_ERROR(AppendTo(part, answer.body));
    moved(last + 1);
  }
  MUSTER_ASSIGN_OR_RETURN(const std::string seen, DigestOfFiles(part.string(), ""));
  if (seen != file.sha256) {
    fs::remove(part, error);
    return Corrupt(file.path + " came with the SHA-256 " + seen + "; wanted " + file.sha256);
  }
  fs::rename(part, whole, error);
  return error ? Status(Failed("rename", part, error.value())) : Ok();
}

Result<bool> CheckpointClient::Push(const fs::path& folder, std::optional<std::int64_t> keep,
                                    const Progress& progress) {
  for (int tries = 1;; ++tries) {
    auto pushed = PushOnce(folder, keep, progress);
    if (pushed.ok() || tries == kPushTriesMost || !IsToBeReadAgain(pushed.error())) return pushed;
  }
}

Result<bool> CheckpointClient::PushOnce(const fs::path& folder, std::optional<std::int64_t> keep,
                                        const Progress& progress) {
  MUSTER_ASSIGN_OR_RETURN(FileSet files, cluster::local::ReadFileSet(folder));
  const CheckpointList list{.files = std::move(files), .keep = keep};
  MUSTER_ASSIGN_OR_RETURN(const FileSet have, ListOf(options_.trial.value));
  if (have == list.files && !keep) return false;
  const auto plan = cluster::local::PlanTransfer(have, list.files);
  std::int64_t done = 0;
  for (const FileEntry& file : plan.fetch) {
    MUSTER_RETURN_IF_ERROR(Send(folder, file));
    done += file.bytes;
    if (progress) progress(done, plan.bytes);
  }
  MUSTER_ASSIGN_OR_RETURN(const auto answer, Ask("POST", "s", wire::ToJson(list)));
  const auto* kept = answer.is_object() ? answer.as_object().if_contains("kept") : nullptr;
  return kept != nullptr && kept->is_bool() && kept->as_bool();
}

Status CheckpointClient::Send(const fs::path& folder, const FileEntry& file) {
  const std::string object = kApi + "-objects/" + file.sha256;
  return Patiently([&]() -> Status {
    const auto there = client_.Json("GET", object);  // of a push that was killed
    if (there.ok()) return Ok();
    if (there.error().kind != ErrorKind::kNotFound) return there.error();
    return client_.Upload(object, folder / file.path);
  });
}

}  // namespace muster::server
