#include <map>

#include "registry/change_detail.h"
#include "registry/model_rules.h"
#include "registry/model_search.h"
#include "registry/sqlite/model_store.h"

namespace muster::registry {
namespace {

constexpr std::string_view kSelectVersions =
    "SELECT m.name, v.version, v.creation_ms, v.last_updated_ms, v.stage, v.description, "
    "v.source, v.run_id, v.run_link, v.model_id, v.user_id FROM versions v JOIN models m ON "
    "m.id = v.model ";

ModelVersion ReadVersion(const sqlite::Statement& row) {
  ModelVersion version;
  version.name = row.Text(0);
  version.version = row.Int(1);
  version.creation_ms = row.Int(2);
  version.last_updated_ms = row.Int(3);
  version.stage = row.Text(4);
  version.description = row.Text(5);
  version.source = row.Text(6);
  version.run_id = row.Text(7);
  version.run_link = row.Text(8);
  version.model_id = row.Text(9);
  version.user_id = row.Text(10);
  return version;
}

}  // namespace

Result<std::vector<ModelVersion>> SqliteModelStore::LoadVersions(std::optional<std::int64_t> model,
                                                                 Which which) {
  const std::string one = model ? "WHERE v.model = ?1 " : "";
  const std::string newest =
      which == Which::kNewestOfStages
          ? "AND v.version IN (SELECT max(version) FROM versions WHERE model = ?1 GROUP BY stage) "
          : "";
  std::vector<ModelVersion> versions;
  std::map<std::pair<std::string, std::int64_t>, std::size_t> place;
  {
    auto select =
        db_.Prepare(std::string(kSelectVersions) + one + newest + "ORDER BY v.model, v.version");
    if (model) select.BindAll(*model);
    for (;;) {
      MUSTER_ASSIGN_OR_RETURN(const bool row, select.Step());
      if (!row) break;
      versions.push_back(ReadVersion(select));
      place[{versions.back().name, versions.back().version}] = versions.size() - 1;
    }
  }
  // `v` is a row of tags or aliases here: both have model and version.
  const auto each = [&](const std::string& columns, auto add) -> Status {
    auto select = db_.Prepare("SELECT m.name, v.version, " + columns +
                              " v JOIN models m ON m.id = v.model " + one + "ORDER BY 3");
    if (model) select.BindAll(*model);
    for (;;) {
      MUSTER_ASSIGN_OR_RETURN(const bool row, select.Step());
      if (!row) return Ok();
      const auto found = place.find({std::string(select.Text(0)), select.Int(1)});
      if (found != place.end()) add(versions[found->second], select);
    }
  };
  MUSTER_RETURN_IF_ERROR(each("v.key, v.value FROM tags", [](ModelVersion& version, auto& row) {
    version.tags.push_back({std::string(row.Text(2)), std::string(row.Text(3))});
  }));
  MUSTER_RETURN_IF_ERROR(each("v.alias FROM aliases", [](ModelVersion& version, auto& row) {
    version.aliases.emplace_back(row.Text(2));
  }));
  return versions;
}

Result<ModelVersion> SqliteModelStore::LoadVersion(std::string_view name, std::int64_t version) {
  MUSTER_RETURN_IF_ERROR(CheckModelName(name));
  const auto model = Require(name);
  if (!model.ok()) return VersionNotFound(name, version);
  ModelVersion found;
  {
    auto select = db_.Prepare(std::string(kSelectVersions) + "WHERE v.model = ? AND v.version = ?");
    MUSTER_ASSIGN_OR_RETURN(const bool row, select.BindAll(*model, version).Step());
    if (!row) return VersionNotFound(name, version);
    found = ReadVersion(select);
  }
  MUSTER_ASSIGN_OR_RETURN(found.tags, LoadTags(*model, version));
  auto select =
      db_.Prepare("SELECT alias FROM aliases WHERE model = ? AND version = ? ORDER BY alias");
  select.BindAll(*model, version);
  for (;;) {
    MUSTER_ASSIGN_OR_RETURN(const bool row, select.Step());
    if (!row) return found;
    found.aliases.emplace_back(select.Text(0));
  }
}

Result<std::int64_t> SqliteModelStore::NextVersion(std::string_view name) {
  auto bump = db_.Prepare(
      "INSERT INTO version_counters VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET last = last + 1 "
      "RETURNING last");
  MUSTER_RETURN_IF_ERROR(bump.BindAll(name).Step());
  return bump.Int(0);
}

Result<ModelVersion> SqliteModelStore::CreateVersion(const NewVersion& version,
                                                     const Actor& actor) {
  MUSTER_RETURN_IF_ERROR(CheckModelName(version.name));
  NewVersion made = version;
  MUSTER_ASSIGN_OR_RETURN(made.tags, CheckTags(version.tags));
  return Change([&]() -> Result<ModelVersion> {
    MUSTER_ASSIGN_OR_RETURN(const auto before, FindRequest("version", made.request_id));
    if (before) {
      if (before->model == made.name) return LoadVersion(made.name, before->number);
      return RequestReused(made.request_id, before->model, before->number);
    }
    MUSTER_ASSIGN_OR_RETURN(const std::int64_t model, Require(made.name));
    MUSTER_ASSIGN_OR_RETURN(const std::int64_t number, NextVersion(made.name));
    const UnixMillis now = clock_.UnixNow();
    MUSTER_RETURN_IF_ERROR(
        db_.Prepare("INSERT INTO versions VALUES (?, ?, ?, ?, 'None', ?, ?, ?, ?, ?, ?)")
            .BindAll(model, number, now, now, made.description, made.source, made.run_id,
                     made.run_link, made.model_id, made.author.empty() ? actor.name : made.author)
            .Run());
    MUSTER_RETURN_IF_ERROR(InsertTags(model, number, made.tags));
    MUSTER_RETURN_IF_ERROR(Touch(model));
    MUSTER_RETURN_IF_ERROR(RememberRequest("version", made.request_id, made.name, number));
    MUSTER_RETURN_IF_ERROR(
        Write("version.create", made.name, number, DetailOfVersion(made), actor));
    MUSTER_RETURN_IF_ERROR(Tell(VersionCreated(made, number), made.name, number, ""));
    return LoadVersion(made.name, number);
  });
}

Result<ModelVersion> SqliteModelStore::GetVersion(std::string_view name, std::int64_t version) {
  const auto lock = Reading();
  return LoadVersion(name, version);
}

Result<ModelVersion> SqliteModelStore::FindVersionByRequest(std::string_view request_id) {
  const auto lock = Reading();
  MUSTER_ASSIGN_OR_RETURN(const auto found, FindRequest("version", request_id));
  if (!found) return NoSuchRequest(request_id);
  return LoadVersion(found->model, found->number);
}

Result<ModelVersion> SqliteModelStore::UpdateVersion(std::string_view name, std::int64_t version,
                                                     std::string_view description,
                                                     const Actor& actor) {
  return Change([&]() -> Result<ModelVersion> {
    MUSTER_RETURN_IF_ERROR(LoadVersion(name, version));
    MUSTER_ASSIGN_OR_RETURN(const std::int64_t model, Require(name));
    MUSTER_RETURN_IF_ERROR(db_.Prepare("UPDATE versions SET description = ?, last_updated_ms = ? "
                                       "WHERE model = ? AND version = ?")
                               .BindAll(description, clock_.UnixNow(), model, version)
                               .Run());
    MUSTER_RETURN_IF_ERROR(
        Write("version.update", name, version, DetailOfText("description", description), actor));
    return LoadVersion(name, version);
  });
}

Result<ModelVersion> SqliteModelStore::TransitionStage(std::string_view name, std::int64_t version,
                                                       std::string_view stage,
                                                       bool archive_existing, const Actor& actor) {
  MUSTER_ASSIGN_OR_RETURN(const std::string canonical, StageToEnter(stage, archive_existing));
  return Change([&]() -> Result<ModelVersion> {
    MUSTER_RETURN_IF_ERROR(LoadVersion(name, version));
    MUSTER_ASSIGN_OR_RETURN(const std::int64_t model, Require(name));
    const auto enter = [&](std::int64_t number, std::string_view entered) -> Status {
      MUSTER_RETURN_IF_ERROR(db_.Prepare("UPDATE versions SET stage = ?, last_updated_ms = ? WHERE "
                                         "model = ? AND version = ?")
                                 .BindAll(entered, clock_.UnixNow(), model, number)
                                 .Run());
      return Write("version.stage", name, number, DetailOfText("stage", entered), actor);
    };
    if (archive_existing) {
      MUSTER_ASSIGN_OR_RETURN(const auto all, LoadVersions(model, Which::kAll));
      for (const ModelVersion& other : all) {
        if (other.version == version || other.stage != canonical) continue;
        MUSTER_RETURN_IF_ERROR(enter(other.version, "Archived"));
      }
    }
    MUSTER_RETURN_IF_ERROR(enter(version, canonical));
    MUSTER_RETURN_IF_ERROR(Touch(model));
    return LoadVersion(name, version);
  });
}

Status SqliteModelStore::DeleteVersion(std::string_view name, std::int64_t version,
                                       const Actor& actor) {
  return ChangeOrRefuse([&]() -> Result<Status> {
    MUSTER_ASSIGN_OR_RETURN(const ModelVersion found, LoadVersion(name, version));
    MUSTER_ASSIGN_OR_RETURN(const std::int64_t model, Require(name));
    MUSTER_ASSIGN_OR_RETURN(const Status guarded, RefuseGuarded("deleted with its version", name,
                                                                version, found.aliases, actor));
    if (!guarded.ok()) return guarded;
    for (const std::string& alias : found.aliases) {
      MUSTER_RETURN_IF_ERROR(MoveAlias(name, model, alias, 0, AliasMove::kRemove, actor));
    }
    for (const auto* table : {"versions", "tags"}) {
      MUSTER_RETURN_IF_ERROR(
          db_.Prepare("DELETE FROM " + std::string(table) + " WHERE model = ? AND version = ?")
              .BindAll(model, version)
              .Run());
    }
    MUSTER_RETURN_IF_ERROR(Touch(model));
    MUSTER_RETURN_IF_ERROR(Write("version.delete", name, version, "{}", actor));
    return Status();
  });
}

Result<ModelPage<ModelVersion>> SqliteModelStore::SearchVersions(const ModelQuery& query) {
  MUSTER_ASSIGN_OR_RETURN(const ModelSearch search, ParseVersionSearch(query));
  const auto lock = Reading();
  std::optional<std::int64_t> model;
  if (const auto only = search.only_name()) {
    const auto id = Require(*only);
    if (!id.ok()) return ModelPage<ModelVersion>{};
    model = *id;
  }
  MUSTER_ASSIGN_OR_RETURN(auto versions, LoadVersions(model, Which::kAll));
  return Search(std::move(versions), search);
}

}  // namespace muster::registry
