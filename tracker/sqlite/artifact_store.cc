#include "tracker/sqlite/artifact_store.h"

#include <map>
#include <mutex>
#include <set>
#include <utility>

#include "runtime/sqlite/group_commit.h"
#include "tracker/sqlite/object_files.h"
#include "tracker/sqlite/part_files.h"
#include "tracker/sqlite/readers.h"

namespace muster::tracker {

namespace {

using sqlite::Database;
using sqlite::Statement;

const std::vector<sqlite::Migration>& NameMigrations() {
  static const std::vector<sqlite::Migration> migrations = {R"sql(
CREATE TABLE names(
  path TEXT PRIMARY KEY,
  sha256 TEXT NOT NULL,
  size INTEGER NOT NULL
) WITHOUT ROWID;
)sql",
                                                            R"sql(
CREATE INDEX names_by_content ON names(sha256);
)sql"};
  return migrations;
}

/// The paths under a folder are those in ["folder/", "folder0"): '0' follows '/' in ASCII.
struct Range {
  explicit Range(std::string_view folder)
      : begin(std::string(folder) + "/"), end(std::string(folder) + "0") {}
  std::string begin, end;
};

Result<bool> IsFolder(Database& db, std::string_view path) {
  const Range range(path);
  Statement row = db.Prepare("SELECT 1 FROM names WHERE path >= ? AND path < ? LIMIT 1");
  row.BindAll(std::string_view(range.begin), std::string_view(range.end));
  return row.Step();
}

Result<bool> IsFile(Database& db, std::string_view path) {
  Statement row = db.Prepare("SELECT 1 FROM names WHERE path = ?");
  row.Bind(0, path);
  return row.Step();
}

Status WriteName(Database& db, const std::string& path, const StagedObject& object) {
  MUSTER_ASSIGN_OR_RETURN(const bool folder, IsFolder(db, path));
  if (folder) return Invalid("Invalid path: '" + path + "' is a folder of artifacts");
  for (std::size_t slash = path.find('/'); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    MUSTER_ASSIGN_OR_RETURN(const bool file, IsFile(db, path.substr(0, slash)));
    if (file) {
      return Invalid("Invalid path: '" + path + "': '" + path.substr(0, slash) + "' is a file");
    }
  }
  return db
      .Prepare(
          "INSERT INTO names(path, sha256, size) VALUES(?, ?, ?) ON CONFLICT DO UPDATE SET "
          "sha256 = excluded.sha256, size = excluded.size")
      .BindAll(std::string_view(path), std::string_view(object.sha256), object.size)
      .Run();
}

/// Direct children by name. Names inside a folder are passed over, each one read: a listing costs what
/// is under the folder.
Result<std::vector<ArtifactInfo>> ReadChildren(Database& db, std::string_view folder) {
  const bool root = folder.empty();
  const Range range(folder);
  Statement rows =
      db.Prepare("SELECT path, size, sha256 FROM names WHERE path >= ? AND path < ? ORDER BY path");
  rows.BindAll(std::string_view(root ? "" : range.begin),
               std::string_view(root ? "\xff" : range.end));
  std::map<std::string, ArtifactInfo> children;
  for (;;) {
    MUSTER_ASSIGN_OR_RETURN(const bool row, rows.Step());
    if (!row) break;
    const std::string_view rest = rows.Text(0).substr(root ? 0 : range.begin.size());
    const std::size_t slash = rest.find('/');
    const std::string name(rest.substr(0, slash));
    if (slash == std::string_view::npos) {
      children[name] = {name, false, rows.Int(1), std::string(rows.Text(2))};
    } else {
      children[name] = {name, true, 0, ""};
    }
  }
  std::vector<ArtifactInfo> list;
  list.reserve(children.size());
  for (auto& [name, info] : children) list.push_back(std::move(info));
  return list;
}

/// The contents that a Put is giving a name to; a collection leaves them alone.
class InFlight {
 public:
  class Entry {
   public:
    Entry(InFlight& all, const std::string& sha256) : all_(all) {
      const std::lock_guard lock(all_.mutex_);
      entry_ = all_.contents_.insert(sha256);
    }
    ~Entry() {
      const std::lock_guard lock(all_.mutex_);
      all_.contents_.erase(entry_);
    }
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;

   private:
    InFlight& all_;
    std::multiset<std::string>::iterator entry_;
  };

  /// Calls `remove` unless a Put is at it; no Put of any content begins meanwhile.
  template <typename Remove>
  Status Unless(const std::string& sha256, Remove remove) {
    const std::lock_guard lock(mutex_);
    return contents_.contains(sha256) ? Ok() : remove();
  }

 private:
  std::mutex mutex_;  // guards contents_
  std::multiset<std::string> contents_;
};

class LocalArtifactStore final : public ArtifactStore {
 public:
  LocalArtifactStore(ObjectFiles objects, PartFiles parts, Database names,
                     std::filesystem::path names_file)
      : objects_(std::move(objects)),
        parts_(std::move(parts)),
        readers_(std::move(names_file)),
        writer_(std::move(names)) {}

  Status Put(std::string_view path, const NewArtifact& artifact) override {
    MUSTER_ASSIGN_OR_RETURN(const std::string name, SafeArtifactFile(path));
    MUSTER_ASSIGN_OR_RETURN(const StagedObject object, objects_.Stage(artifact));
    return Keep(name, object);
  }

  Result<ArtifactFile> Get(std::string_view path) override {
    MUSTER_ASSIGN_OR_RETURN(const std::string name, SafeArtifactPath(path));
    return readers_.With([&](Database& db) -> Result<ArtifactFile> {
      Statement row = db.Prepare("SELECT sha256 FROM names WHERE path = ?");
      row.Bind(0, std::string_view(name));
      MUSTER_ASSIGN_OR_RETURN(const bool found, row.Step());
      if (found) {
        std::string sha256(row.Text(0));
        return ArtifactFile{objects_.PathOf(sha256), std::move(sha256), nullptr};
      }
      MUSTER_ASSIGN_OR_RETURN(const bool folder, IsFolder(db, name));
      return folder ? ArtifactIsFolder(name) : NoSuchArtifact(name);
    });
  }

  Result<std::vector<ArtifactInfo>> List(std::string_view folder) override {
    MUSTER_ASSIGN_OR_RETURN(const std::string name, SafeArtifactPath(folder));
    return readers_.With([&](Database& db) { return ReadChildren(db, name); });
  }

  Status Delete(std::string_view path) override {
    MUSTER_ASSIGN_OR_RETURN(const std::string name, SafeArtifactPath(path));
    if (name.empty()) return Invalid("Invalid path");
    return writer_.WriteAndWait([&](Database& db) {
      const Range range(name);
      return db.Prepare("DELETE FROM names WHERE path = ? OR (path >= ? AND path < ?)")
          .BindAll(std::string_view(name), std::string_view(range.begin),
                   std::string_view(range.end))
          .Run();
    });
  }

  [[nodiscard]] bool offers_parts() const override { return true; }

  Result<ArtifactUpload> BeginUpload(std::string_view path, std::int64_t parts) override {
    MUSTER_ASSIGN_OR_RETURN(const std::string name, SafeArtifactFile(path));
    MUSTER_ASSIGN_OR_RETURN(std::string id, parts_.Begin(name, parts));
    return ArtifactUpload{std::move(id), {}};
  }

  Result<std::string> PutPart(std::string_view upload, std::int64_t number,
                              const NewArtifact& part) override {
    MUSTER_ASSIGN_OR_RETURN(const StagedObject object, objects_.Stage(part));
    return parts_.Put(upload, number, object);
  }

  Status CompleteUpload(std::string_view path, std::string_view upload,
                        std::vector<ArtifactPart> parts) override {
    MUSTER_ASSIGN_OR_RETURN(const std::string name, SafeArtifactFile(path));
    MUSTER_ASSIGN_OR_RETURN(const auto files, parts_.FilesOf(name, upload, std::move(parts)));
    MUSTER_ASSIGN_OR_RETURN(const StagedObject object, objects_.StageJoined(files));
    MUSTER_RETURN_IF_ERROR(Keep(name, object));
    return parts_.Remove(name, upload);
  }

  Status AbortUpload(std::string_view path, std::string_view upload) override {
    MUSTER_ASSIGN_OR_RETURN(const std::string name, SafeArtifactFile(path));
    return parts_.Remove(name, upload);
  }

  Result<ArtifactAddress> AddressOf(std::string_view path) override {
    MUSTER_ASSIGN_OR_RETURN(const ArtifactFile file, Get(path));
    std::error_code error;
    const auto size = std::filesystem::file_size(file.path, error);
    if (error) return IoError(file.path.string(), error.value());
    return ArtifactAddress{"", static_cast<std::int64_t>(size)};
  }

  Result<Collected> Collect(const CollectBefore& before) override {
    Collected collected;
    const auto visit = [&](const std::string& sha256, std::int64_t size) {
      return in_flight_.Unless(sha256, [&]() -> Status {
        MUSTER_ASSIGN_OR_RETURN(const bool named, IsNamed(sha256));
        if (named) return Ok();
        std::error_code failed;
        std::filesystem::remove(objects_.PathOf(sha256), failed);
        if (failed) return IoError(objects_.PathOf(sha256).string(), failed.value());
        ++collected.objects;
        collected.bytes += size;
        return Ok();
      });
    };
    MUSTER_RETURN_IF_ERROR(objects_.VisitOlder(before.contents, visit));
    MUSTER_ASSIGN_OR_RETURN(collected.uploads, parts_.RemoveOlder(before.uploads));
    return collected;
  }

 private:
  Status Keep(const std::string& name, const StagedObject& object) {
    const InFlight::Entry entry(in_flight_, object.sha256);
    MUSTER_RETURN_IF_ERROR(objects_.Publish(object));
    return writer_.WriteAndWait([&](Database& db) { return WriteName(db, name, object); });
  }

  Result<bool> IsNamed(const std::string& sha256) {
    return readers_.With([&](Database& db) -> Result<bool> {
      Statement row = db.Prepare("SELECT 1 FROM names WHERE sha256 = ? LIMIT 1");
      row.Bind(0, std::string_view(sha256));
      return row.Step();
    });
  }

  const ObjectFiles objects_;
  const PartFiles parts_;
  Readers readers_;
  sqlite::GroupCommit writer_;
  InFlight in_flight_;
};

}  // namespace

Result<std::unique_ptr<ArtifactStore>> OpenLocalArtifactStore(const std::filesystem::path& root) {
  MUSTER_ASSIGN_OR_RETURN(ObjectFiles objects, ObjectFiles::Open(root));
  MUSTER_ASSIGN_OR_RETURN(PartFiles parts, PartFiles::Open(root));
  const std::filesystem::path names_file = root / "names.db";
  MUSTER_ASSIGN_OR_RETURN(Database names, Database::Open(names_file));
  MUSTER_RETURN_IF_ERROR(names.Migrate(NameMigrations()));
  return std::unique_ptr<ArtifactStore>(std::make_unique<LocalArtifactStore>(
      std::move(objects), std::move(parts), std::move(names), names_file));
}

}  // namespace muster::tracker
