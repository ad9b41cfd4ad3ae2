#include "tracker/sqlite/artifact_store.h"

#include <map>
#include <utility>

#include "runtime/sqlite/group_commit.h"
#include "tracker/sqlite/object_files.h"
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
)sql"};
  return migrations;
}

std::string WithoutSlash(std::string_view path) {
  if (path.ends_with('/')) path.remove_suffix(1);
  return std::string(path);
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

Status WriteName(Database& db, std::string_view path, const ObjectInfo& info) {
  const std::string name(path);
  MUSTER_ASSIGN_OR_RETURN(const bool folder, IsFolder(db, path));
  if (folder) return Invalid("Invalid path: '" + name + "' is a folder of artifacts");
  for (std::size_t slash = path.find('/'); slash != std::string_view::npos;
       slash = path.find('/', slash + 1)) {
    MUSTER_ASSIGN_OR_RETURN(const bool file, IsFile(db, path.substr(0, slash)));
    if (file) {
      return Invalid("Invalid path: '" + name + "': '" + name.substr(0, slash) + "' is a file");
    }
  }
  return db
      .Prepare(
          "INSERT INTO names(path, sha256, size) VALUES(?, ?, ?) ON CONFLICT DO UPDATE SET "
          "sha256 = excluded.sha256, size = excluded.size")
      .BindAll(path, std::string_view(info.sha256), info.size)
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

class LocalArtifactStore final : public ArtifactStore {
 public:
  LocalArtifactStore(ObjectFiles objects, Database names, std::filesystem::path names_file)
      : objects_(std::move(objects)), readers_(std::move(names_file)), writer_(std::move(names)) {}

  Result<std::string> PutFile(std::string_view path, const std::filesystem::path& file,
                              bool may_move) override {
    MUSTER_RETURN_IF_ERROR(CheckFilePath(path));
    MUSTER_ASSIGN_OR_RETURN(const ObjectInfo info, objects_.AddFile(file, may_move));
    return Name(path, info);
  }

  Result<std::string> PutBytes(std::string_view path, std::string_view bytes) override {
    MUSTER_RETURN_IF_ERROR(CheckFilePath(path));
    MUSTER_ASSIGN_OR_RETURN(const ObjectInfo info, objects_.AddBytes(bytes));
    return Name(path, info);
  }

  Result<std::filesystem::path> Get(std::string_view path) override {
    MUSTER_RETURN_IF_ERROR(CheckArtifactPath(path));
    return readers_.With([&](Database& db) -> Result<std::filesystem::path> {
      Statement row = db.Prepare("SELECT sha256 FROM names WHERE path = ?");
      row.Bind(0, path);
      MUSTER_ASSIGN_OR_RETURN(const bool found, row.Step());
      if (found) return objects_.PathOf(row.Text(0));
      MUSTER_ASSIGN_OR_RETURN(const bool folder, IsFolder(db, WithoutSlash(path)));
      const std::string name(path);
      if (folder) return Invalid("'" + name + "' is a folder of artifacts, not a file");
      return NotFound("No such artifact: '" + name + "'");
    });
  }

  Result<std::vector<ArtifactInfo>> List(std::string_view folder) override {
    if (!folder.empty()) MUSTER_RETURN_IF_ERROR(CheckArtifactPath(folder));
    return readers_.With([&](Database& db) { return ReadChildren(db, WithoutSlash(folder)); });
  }

  Status Delete(std::string_view path) override {
    MUSTER_RETURN_IF_ERROR(CheckArtifactPath(path));
    const std::string name = WithoutSlash(path);
    return writer_.WriteAndWait([&](Database& db) {
      const Range range(name);
      return db.Prepare("DELETE FROM names WHERE path = ? OR (path >= ? AND path < ?)")
          .BindAll(std::string_view(name), std::string_view(range.begin),
                   std::string_view(range.end))
          .Run();
    });
  }

 private:
  static Status CheckFilePath(std::string_view path) {
    MUSTER_RETURN_IF_ERROR(CheckArtifactPath(path));
    if (!path.ends_with('/')) return Ok();
    return Invalid("Invalid path: '" + std::string(path) + "' names a folder, wanted a file");
  }

  Result<std::string> Name(std::string_view path, const ObjectInfo& info) {
    MUSTER_RETURN_IF_ERROR(
        writer_.WriteAndWait([&](Database& db) { return WriteName(db, path, info); }));
    return info.sha256;
  }

  const ObjectFiles objects_;
  Readers readers_;
  sqlite::GroupCommit writer_;
};

}  // namespace

Result<std::unique_ptr<ArtifactStore>> OpenLocalArtifactStore(const std::filesystem::path& root) {
  MUSTER_ASSIGN_OR_RETURN(ObjectFiles objects, ObjectFiles::Open(root));
  const std::filesystem::path names_file = root / "names.db";
  MUSTER_ASSIGN_OR_RETURN(Database names, Database::Open(names_file));
  MUSTER_RETURN_IF_ERROR(names.Migrate(NameMigrations()));
  return std::unique_ptr<ArtifactStore>(
      std::make_unique<LocalArtifactStore>(std::move(objects), std::move(names), names_file));
}

}  // namespace muster::tracker
