#include "cluster/local/checkpoint_copies.h"

#include <system_error>

#include "runtime/base/file.h"
#include "runtime/base/log.h"
#include "runtime/wire/trial_record.h"

namespace muster::cluster::local {
namespace {

namespace fs = std::filesystem;

Status SyncAll(const fs::path& folder) {
  std::error_code error;
  for (auto entry = fs::recursive_directory_iterator(folder, error);
       !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    MUSTER_RETURN_IF_ERROR(SyncToDisk(entry->path()));
  }
  if (error) return IoError("list " + folder.string(), error.value());
  return SyncToDisk(folder);
}

}  // namespace

/// The last step is the rename, which fails where another attempt was first: its copy is as good.
Status CopyFolder(const fs::path& from, const fs::path& partial, const fs::path& to) {
  std::error_code error;
  fs::remove_all(partial, error);
  MUSTER_RETURN_IF_ERROR(MakeFolders(partial.parent_path()));
  if (!error) fs::copy(from, partial, fs::copy_options::recursive, error);
  if (error) return IoError("copy the checkpoints " + from.string(), error.value());
  MUSTER_RETURN_IF_ERROR(SyncAll(partial));
  fs::rename(partial, to, error);
  std::error_code ignored;
  if (error) fs::remove_all(partial, ignored);
  if (error && !fs::is_empty(to, ignored) && !ignored) return Ok();
  if (error) return IoError("name the copy " + to.string(), error.value());
  return SyncToDisk(to.parent_path());
}

Status CopyStart(const wire::Prepare& prepare) {
  std::error_code error;
  const fs::path folder = prepare.checkpoint_dir;
  if (prepare.start_from.empty() || prepare.node_rank > 0) return Ok();
  if (!fs::is_empty(folder, error) && !error) return Ok();
  // Where the trial's own copies go, so that they are deleted with them.
  const fs::path partial =
      folder.string() + ".at/start.a-" + std::to_string(prepare.epoch.value) + ".partial";
  return CopyFolder(prepare.start_from, partial, folder);
}

CheckpointKeeper::CheckpointKeeper(const wire::Prepare& prepare)
    : from_(prepare.checkpoint_dir),
      to_(prepare.keep_dir),
      epoch_(prepare.epoch.value),
      every_(prepare.keep_dir.empty() ? 0 : prepare.keep_every) {}

void CheckpointKeeper::NoteKept(std::int64_t step) {
  level_ = step / every_;
  kept_ = step;
}

bool CheckpointKeeper::Keep(std::int64_t step) {
  if (!IsDue(step)) return IsKept(step);
  const std::string name = std::to_string(step) + ".a-" + std::to_string(epoch_);
  const Status copied = CopyFolder(from_, to_ / (name + ".partial"), to_ / name);
  if (!copied.ok()) {
    LogWarning("shim", "no clone can start from step " + std::to_string(step) + ": " +
                           copied.error().message);
    return false;
  }
  NoteKept(step);
  return true;
}

std::string CheckpointKeeper::Marked(std::string_view line) {
  auto record = wire::DecodeRecord(line);
  // What cannot be read is the reader's to refuse.
  if (!record.ok() || record->type != wire::RecordType::kCheckpoint) return std::string(line);
  record->kept = Keep(record->step);
  return wire::EncodeRecord(*record);
}

}  // namespace muster::cluster::local
