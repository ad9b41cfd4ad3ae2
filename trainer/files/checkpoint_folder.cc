#include "trainer/files/checkpoint_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <thread>
#include <utility>

#include "runtime/base/file.h"
#include "runtime/base/log.h"
#include "runtime/wire/codec.h"
#include "trainer/files/checkpoint_file.h"

namespace muster::trainer::files {

struct Entry {
  std::string file;
  std::int64_t step = 0;
  std::int64_t epoch = 0;
  std::int64_t bytes = 0;
  std::string sha256;
  std::optional<double> metric;
};
BOOST_DESCRIBE_STRUCT(Entry, (), (file, step, epoch, bytes, sha256, metric))

struct Manifest {
  std::int64_t version = 1;
  std::int64_t attempt = 0;
  std::string latest;
  std::string best;
  std::string metric, goal;        ///< what the entries' metrics are
  std::vector<Entry> checkpoints;  ///< oldest first
};
BOOST_DESCRIBE_STRUCT(Manifest, (), (version, attempt, latest, best, metric, goal, checkpoints))

namespace {

constexpr std::string_view kManifest = "manifest.json";
constexpr std::string_view kLock = "lock";
constexpr std::chrono::minutes kLockWait{5};  ///< longer than a large checkpoint takes to write
constexpr std::string_view kExtension = ".safetensors";

FileDigest DigestOf(const Entry& entry) { return {.bytes = entry.bytes, .sha256 = entry.sha256}; }

/// flock on a file; released when it goes, or by the kernel when its process ends.
class FileLock {
 public:
  static Result<FileLock> Take(const std::filesystem::path& path) {
    FileLock lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
    if (lock.fd_ < 0) return IoError("opening " + path.string(), errno);
    const auto deadline = std::chrono::steady_clock::now() + kLockWait;
    while (::flock(lock.fd_, LOCK_EX | LOCK_NB) != 0) {
      if (errno == ENOSYS || errno == EOPNOTSUPP || errno == ENOLCK) {
        LogWarning("checkpoint",
                   path.string() + ": the file system has no locks; going on without");
        break;
      }
      if (errno != EWOULDBLOCK && errno != EINTR) return IoError("locking " + path.string(), errno);
      if (std::chrono::steady_clock::now() > deadline) {
        return Unavailable(path.string() + " has been held by another attempt for " +
                           std::to_string(kLockWait.count()) + " minutes");
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return lock;
  }
  FileLock(FileLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileLock& operator=(FileLock&&) = delete;
  ~FileLock() {
    if (fd_ >= 0) ::close(fd_);
  }

 private:
  explicit FileLock(int fd) : fd_(fd) {}
  int fd_;
};

class CheckpointFolder final : public CheckpointStore {
 public:
  explicit CheckpointFolder(FolderOptions options) : options_(std::move(options)) {}

  Result<std::string> Save(const CheckpointView& checkpoint, bool best) override;
  Result<std::optional<Checkpoint>> LoadLatest() override;
  [[nodiscard]] std::string best_path() const override {
    const auto manifest = ReadManifest();
    return manifest.ok() && !manifest->best.empty() ? Path(manifest->best).string() : "";
  }

  /// From here on older attempts are fenced.
  Status Claim();

 private:
  [[nodiscard]] std::filesystem::path Path(std::string_view file) const {
    return options_.folder / file;
  }
  [[nodiscard]] Result<Manifest> ReadManifest() const;
  /// The manifest, when no newer attempt has claimed the folder.
  [[nodiscard]] Result<Manifest> OwnManifest() const;
  [[nodiscard]] Status WriteManifest(const Manifest& manifest) const;
  [[nodiscard]] std::optional<double> MetricOf(const Progress& progress) const;
  void MeasureByOwn(Manifest& manifest) const;
  [[nodiscard]] std::vector<std::string> Best(const Manifest& manifest) const;
  void DropOldest(Manifest& manifest) const;
  void DeleteUnlisted(const Manifest& manifest) const;

  FolderOptions options_;
};

Result<Manifest> CheckpointFolder::ReadManifest() const {
  auto text = ReadWholeFile(Path(kManifest));
  if (!text.ok() && text.error().kind == ErrorKind::kNotFound) return Manifest{};
  if (!text.ok()) return text.error();
  auto manifest = wire::Decode<Manifest>(*text);
  if (!manifest.ok()) return Corrupt(Path(kManifest).string() + ": " + manifest.error().message);
  if (manifest->version != 1) {
    return Unsupported(Path(kManifest).string() + " is of version " +
                       std::to_string(manifest->version) + "; this program reads version 1");
  }
  return manifest;
}

Result<Manifest> CheckpointFolder::OwnManifest() const {
  MUSTER_ASSIGN_OR_RETURN(Manifest manifest, ReadManifest());
  if (manifest.attempt <= options_.attempt) return manifest;
  return Fenced("attempt " + std::to_string(options_.attempt) + " may not save in " +
                options_.folder.string() + ": attempt " + std::to_string(manifest.attempt) +
                " has it");
}

Status CheckpointFolder::Claim() {
  MUSTER_ASSIGN_OR_RETURN(const FileLock lock, FileLock::Take(Path(kLock)));
  MUSTER_ASSIGN_OR_RETURN(Manifest manifest, OwnManifest());
  if (manifest.attempt == options_.attempt) return Ok();
  manifest.attempt = options_.attempt;
  return WriteManifest(manifest);
}

Result<std::string> CheckpointFolder::Save(const CheckpointView& checkpoint, bool best) {
  MUSTER_ASSIGN_OR_RETURN(const FileLock lock, FileLock::Take(Path(kLock)));
  MUSTER_ASSIGN_OR_RETURN(Manifest manifest, OwnManifest());
  Entry entry{.file = "step-" + std::to_string(checkpoint.progress.step) + ".a-" +
                      std::to_string(options_.attempt) + std::string(kExtension),
              .step = checkpoint.progress.step,
              .epoch = checkpoint.progress.epoch,
              .metric = MetricOf(checkpoint.progress)};
  MeasureByOwn(manifest);
  // A step of one attempt is one state, so a second save of it (a command right after an epoch) has
  // nothing to write; rewriting the latest file would leave a moment without a whole one. Unless it was
  // damaged since.
  const auto listed = std::ranges::find(manifest.checkpoints, entry.file, &Entry::file);
  if (listed == manifest.checkpoints.end() ||
      !VerifyCheckpointFile(Path(listed->file), DigestOf(*listed)).ok()) {
    MUSTER_ASSIGN_OR_RETURN(const FileDigest digest,
                            WriteCheckpointFile(Path(entry.file), checkpoint));
    entry.bytes = digest.bytes;
    entry.sha256 = digest.sha256;
    if (listed != manifest.checkpoints.end()) manifest.checkpoints.erase(listed);
    manifest.checkpoints.push_back(entry);
  }
  manifest.attempt = options_.attempt;
  manifest.latest = entry.file;
  if (best) manifest.best = entry.file;
  DropOldest(manifest);
  const Status published = WriteManifest(manifest);
  if (!published.ok()) {
    // What failed may have come after the rename: the manifest that is there now says what may go.
    const auto now = ReadManifest();
    if (now.ok()) DeleteUnlisted(*now);
    return published.error();
  }
  DeleteUnlisted(manifest);
  return Path(entry.file).string();
}

Status CheckpointFolder::WriteManifest(const Manifest& manifest) const {
  const Status written = WriteFileAtomically(Path(kManifest), wire::Encode(manifest) + "\n");
  std::error_code ignored;
  // What a full disk cut short must not keep it full.
  if (!written.ok()) std::filesystem::remove(Path(kManifest).concat(".tmp"), ignored);
  return written;
}

/// Within an epoch the metrics are those of the one before: of another model.
std::optional<double> CheckpointFolder::MetricOf(const Progress& progress) const {
  const auto found = progress.metrics.find(options_.metric);
  if (progress.batch != 0 || found == progress.metrics.end() || std::isnan(found->second)) {
    return std::nullopt;
  }
  return found->second;
}

/// Values of another metric, or of one that was to be small, cannot be compared with ours.
void CheckpointFolder::MeasureByOwn(Manifest& manifest) const {
  const std::string goal = options_.maximize ? "maximize" : "minimize";
  if (manifest.metric != options_.metric || manifest.goal != goal) {
    for (Entry& entry : manifest.checkpoints) entry.metric.reset();
  }
  manifest.metric = options_.metric;
  manifest.goal = options_.metric.empty() ? "" : goal;
}

std::vector<std::string> CheckpointFolder::Best(const Manifest& manifest) const {
  std::vector<std::string> best;
  if (!manifest.best.empty()) best.push_back(manifest.best);
  std::vector<const Entry*> measured;
  for (const Entry& entry : manifest.checkpoints) {
    if (entry.metric && entry.file != manifest.best) measured.push_back(&entry);
  }
  std::ranges::stable_sort(measured, [&](const Entry* a, const Entry* b) {
    return options_.maximize ? *a->metric > *b->metric : *a->metric < *b->metric;
  });
  for (const Entry* entry : measured) {
    if (best.size() >= static_cast<std::size_t>(std::max(1, options_.keep_best))) break;
    best.push_back(entry->file);
  }
  return best;
}

void CheckpointFolder::DropOldest(Manifest& manifest) const {
  const std::vector<std::string> best = Best(manifest);
  auto& all = manifest.checkpoints;
  const auto keep = static_cast<std::size_t>(std::max(1, options_.keep));
  const std::size_t old = all.size() > keep ? all.size() - keep : 0;
  const auto kept_from = all.begin() + static_cast<std::ptrdiff_t>(old);
  all.erase(std::remove_if(all.begin(), kept_from,
                           [&](const Entry& entry) {
                             return std::ranges::find(best, entry.file) == best.end();
                           }),
            kept_from);
}

void CheckpointFolder::DeleteUnlisted(const Manifest& manifest) const {
  std::error_code ignored;
  for (const auto& file : std::filesystem::directory_iterator(options_.folder, ignored)) {
    const std::string name = file.path().filename().string();
    const bool listed =
        std::ranges::find(manifest.checkpoints, name, &Entry::file) != manifest.checkpoints.end();
    if (name.starts_with("step-") && !listed) std::filesystem::remove(file.path(), ignored);
  }
}

Result<std::optional<Checkpoint>> CheckpointFolder::LoadLatest() {
  MUSTER_ASSIGN_OR_RETURN(const Manifest manifest, ReadManifest());
  for (auto entry = manifest.checkpoints.rbegin(); entry != manifest.checkpoints.rend(); ++entry) {
    const FileDigest saved = DigestOf(*entry);
    auto checkpoint = ReadCheckpointFile(Path(entry->file), &saved);
    if (checkpoint.ok()) return std::optional<Checkpoint>(std::move(checkpoint).value());
    // Any other failure (a server that is away) may be over at the next attempt, and would lose work.
    const ErrorKind kind = checkpoint.error().kind;
    if (kind != ErrorKind::kCorrupt && kind != ErrorKind::kNotFound) return checkpoint.error();
    const bool last = std::next(entry) == manifest.checkpoints.rend();
    LogWarning("checkpoint", checkpoint.error().message +
                                 (last ? "; there is no older one" : "; trying an older one"));
  }
  return std::optional<Checkpoint>();
}

}  // namespace

Result<std::unique_ptr<CheckpointStore>> OpenCheckpointFolder(FolderOptions options) {
  options.folder = std::filesystem::absolute(options.folder);
  MUSTER_RETURN_IF_ERROR(MakeFolders(options.folder));
  // The shim made the folder, and left its name to the kernel.
  MUSTER_RETURN_IF_ERROR(SyncToDisk(options.folder.parent_path()));
  auto folder = std::make_unique<CheckpointFolder>(std::move(options));
  const Status claimed = folder->Claim();
  if (!claimed.ok() && claimed.error().kind != ErrorKind::kResource) return claimed.error();
  // The first save that finds room claims it.
  if (!claimed.ok()) LogWarning("checkpoint", claimed.error().message);
  return std::unique_ptr<CheckpointStore>(std::move(folder));
}

Result<Checkpoint> ReadCheckpointFile(const std::filesystem::path& path) {
  auto checkpoint = ReadCheckpointFile(path, nullptr);
  if (!checkpoint.ok()) return checkpoint.error().With("checkpoint");
  return checkpoint;
}

}  // namespace muster::trainer::files
