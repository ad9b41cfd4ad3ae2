#include "registry/sqlite/model_store.h"

#include "registry/change_detail.h"
#include "registry/model_rules.h"
#include "registry/model_search.h"
#include "registry/sqlite/schema.h"
#include "runtime/base/file.h"

// Opening, models and tags; versions, aliases and the audit have a file each.

namespace muster::registry {

namespace {

/// Bounds how long a commit, and so an answer, can take.
constexpr std::size_t kMostInABatch = 1'000;

Result<SigningKey> LoadOrMakeKey(const std::filesystem::path& file) {
  const auto text = ReadWholeFile(file);
  if (text.ok()) {
    const auto key = SigningKey::FromPem(*text);
    if (!key.ok()) return key.error().With(file.string());
    return *key;
  }
  if (text.error().kind != ErrorKind::kNotFound) return text.error();
  std::error_code code;
  std::filesystem::create_directories(file.parent_path(), code);
  if (code) return IoError("make " + file.parent_path().string(), code.value());
  const SigningKey made = SigningKey::Generate();
  MUSTER_RETURN_IF_ERROR(WriteFileAtomically(file, made.Pem(), 0600));
  return made;
}

}  // namespace

Result<std::unique_ptr<SqliteModelStore>> SqliteModelStore::Open(const std::filesystem::path& file,
                                                                 const Clock& clock,
                                                                 std::optional<SigningKey> key) {
  MUSTER_ASSIGN_OR_RETURN(auto database, sqlite::Database::Open(file));
  MUSTER_RETURN_IF_ERROR(database.Migrate(RegistryMigrations()));
  auto store = std::unique_ptr<SqliteModelStore>(
      new SqliteModelStore(std::move(database), file, clock, std::move(key)));
  MUSTER_RETURN_IF_ERROR(store->Change([&] { return store->StartKey(); }));
  return store;
}

Result<std::unique_ptr<SqliteModelStore>> SqliteModelStore::OpenSigned(
    const std::filesystem::path& file, const Clock& clock) {
  MUSTER_ASSIGN_OR_RETURN(auto key, LoadOrMakeKey(file.parent_path() / kAuditKeyFile));
  return Open(file, clock, std::move(key));
}

// --- transactions ---------------------------------------------------------------------------------

std::unique_lock<std::mutex> SqliteModelStore::Reading() {
  std::unique_lock lock(mutex_);
  // A batch that is cut short costs a commit more; one that goes on and on would let no reader in.
  if (const auto batch = batch_) batch_done_.wait(lock, [&] { return batch->done; });
  if (batch_) EndBatch(Ok());
  return lock;
}

Status SqliteModelStore::Transact(const std::function<Status()>& body) {
  ++waiting_;
  std::unique_lock lock(mutex_);
  --waiting_;
  if (!batch_) {
    MUSTER_RETURN_IF_ERROR(db_.Begin());
    batch_ = std::make_shared<Batch>();
  }
  const auto batch = batch_;
  ++batch->size;
  const Status status = RunInSavepoint(body);
  if (!db_.in_transaction()) {
    EndBatch(status.ok() ? Internal("SQLite ended a transaction") : status);
  } else if (waiting_ == 0 || batch->size >= kMostInABatch) {
    EndBatch(Ok());
  } else {
    // Whoever waits for the lock goes on with the batch, and the last of them commits it.
    batch_done_.wait(lock, [&] { return batch->done; });
  }
  return batch->status.ok() ? status : batch->status;
}

Status SqliteModelStore::RunInSavepoint(const std::function<Status()>& body) {
  MUSTER_RETURN_IF_ERROR(db_.Prepare("SAVEPOINT change").Run());
  Status status = body();
  // For lack of room or a disk's error SQLite undoes the whole batch by itself.
  if (!db_.in_transaction()) return status;
  if (!status.ok()) MUSTER_RETURN_IF_ERROR(db_.Prepare("ROLLBACK TO change").Run());
  MUSTER_RETURN_IF_ERROR(db_.Prepare("RELEASE change").Run());
  return status;
}

void SqliteModelStore::EndBatch(Status status) {
  if (status.ok()) status = db_.Commit();
  if (!status.ok()) db_.Rollback();
  batch_->status = std::move(status);
  batch_->done = true;
  batch_.reset();
  batch_done_.notify_all();
}

Status SqliteModelStore::ChangeOrRefuse(const std::function<Result<Status>()>& body) {
  const auto status = Change(body);
  return status.ok() ? *status : Status(status.error());
}

// --- models -----------------------------------------------------------------------------------------

Result<std::int64_t> SqliteModelStore::Require(std::string_view name) {
  MUSTER_RETURN_IF_ERROR(CheckModelName(name));
  auto select = db_.Prepare("SELECT id FROM models WHERE name = ?");
  MUSTER_ASSIGN_OR_RETURN(const bool found, select.BindAll(name).Step());
  if (!found) return ModelNotFound(name);
  return select.Int(0);
}

Status SqliteModelStore::Touch(std::int64_t model) {
  return db_.Prepare("UPDATE models SET last_updated_ms = ? WHERE id = ?")
      .BindAll(clock_.UnixNow(), model)
      .Run();
}

Result<std::vector<Tag>> SqliteModelStore::LoadTags(std::int64_t model, std::int64_t version) {
  auto select =
      db_.Prepare("SELECT key, value FROM tags WHERE model = ? AND version = ? ORDER BY key");
  select.BindAll(model, version);
  std::vector<Tag> tags;
  for (;;) {
    MUSTER_ASSIGN_OR_RETURN(const bool row, select.Step());
    if (!row) return tags;
    tags.push_back({std::string(select.Text(0)), std::string(select.Text(1))});
  }
}

Status SqliteModelStore::InsertTags(std::int64_t model, std::int64_t version,
                                    const std::vector<Tag>& tags) {
  for (const Tag& tag : tags) {
    MUSTER_RETURN_IF_ERROR(db_.Prepare("INSERT OR REPLACE INTO tags VALUES (?, ?, ?, ?)")
                               .BindAll(model, version, tag.key, tag.value)
                               .Run());
  }
  return Ok();
}

Status SqliteModelStore::FillAliases(std::int64_t id, RegisteredModel& model) {
  auto select = db_.Prepare("SELECT alias, version FROM aliases WHERE model = ? ORDER BY alias");
  select.BindAll(id);
  for (;;) {
    MUSTER_ASSIGN_OR_RETURN(const bool row, select.Step());
    if (!row) break;
    model.aliases.push_back({std::string(select.Text(0)), select.Int(1)});
  }
  MUSTER_ASSIGN_OR_RETURN(model.latest_versions, LoadVersions(id, Which::kNewestOfStages));
  return Ok();
}

Result<RegisteredModel> SqliteModelStore::LoadModel(std::string_view name) {
  MUSTER_ASSIGN_OR_RETURN(const std::int64_t id, Require(name));
  RegisteredModel model;
  model.name = name;
  {
    auto select =
        db_.Prepare("SELECT description, creation_ms, last_updated_ms FROM models WHERE id = ?");
    MUSTER_RETURN_IF_ERROR(select.BindAll(id).Step());
    model.description = select.Text(0);
    model.creation_ms = select.Int(1);
    model.last_updated_ms = select.Int(2);
  }
  MUSTER_ASSIGN_OR_RETURN(model.tags, LoadTags(id, 0));
  MUSTER_RETURN_IF_ERROR(FillAliases(id, model));
  return model;
}

Result<RegisteredModel> SqliteModelStore::CreateModel(std::string_view name,
                                                      std::string_view description,
                                                      const std::vector<Tag>& tags,
                                                      const Actor& actor) {
  MUSTER_RETURN_IF_ERROR(CheckModelName(name));
  MUSTER_ASSIGN_OR_RETURN(const auto checked, CheckTags(tags));
  return Change([&]() -> Result<RegisteredModel> {
    if (Require(name).ok()) return ModelExists(name);
    const UnixMillis now = clock_.UnixNow();
    MUSTER_RETURN_IF_ERROR(db_.Prepare("INSERT INTO models (name, description, creation_ms, "
                                       "last_updated_ms) VALUES (?, ?, ?, ?)")
                               .BindAll(name, description, now, now)
                               .Run());
    MUSTER_RETURN_IF_ERROR(InsertTags(db_.last_insert_id(), 0, checked));
    MUSTER_RETURN_IF_ERROR(
        Write("model.create", name, 0, DetailOfModel(description, checked), actor));
    MUSTER_RETURN_IF_ERROR(Tell(ModelCreated(name, description, checked), name, 0, ""));
    return LoadModel(name);
  });
}

Result<RegisteredModel> SqliteModelStore::GetModel(std::string_view name) {
  const auto lock = Reading();
  return LoadModel(name);
}

Result<RegisteredModel> SqliteModelStore::UpdateModel(std::string_view name,
                                                      std::string_view description,
                                                      const Actor& actor) {
  return Change([&]() -> Result<RegisteredModel> {
    MUSTER_ASSIGN_OR_RETURN(const std::int64_t id, Require(name));
    MUSTER_RETURN_IF_ERROR(db_.Prepare("UPDATE models SET description = ? WHERE id = ?")
                               .BindAll(description, id)
                               .Run());
    MUSTER_RETURN_IF_ERROR(Touch(id));
    MUSTER_RETURN_IF_ERROR(
        Write("model.update", name, 0, DetailOfText("description", description), actor));
    return LoadModel(name);
  });
}

Result<RegisteredModel> SqliteModelStore::RenameModel(std::string_view name,
                                                      std::string_view new_name,
                                                      const Actor& actor) {
  MUSTER_RETURN_IF_ERROR(CheckModelName(new_name, "new_name"));
  // A policy is of a name: neither does a model leave its policy behind, nor does one come under another's.
  MUSTER_RETURN_IF_ERROR(ChangeOrRefuse([&]() -> Result<Status> {
    for (const std::string_view of : {name, new_name}) {
      MUSTER_ASSIGN_OR_RETURN(const auto policy, LoadPolicy(of));
      if (!policy) continue;
      return Refuse(Fenced("model '" + std::string(of) +
                           "' has a policy of approvals; take it away before it is renamed"),
                    name, 0, "", 0, actor);
    }
    return Status();
  }));
  return Change([&]() -> Result<RegisteredModel> {
    MUSTER_ASSIGN_OR_RETURN(const std::int64_t id, Require(name));
    if (name != new_name && Require(new_name).ok()) return ModelExists(new_name);
    MUSTER_RETURN_IF_ERROR(
        db_.Prepare("UPDATE models SET name = ? WHERE id = ?").BindAll(new_name, id).Run());
    MUSTER_RETURN_IF_ERROR(db_.Prepare("UPDATE versions SET last_updated_ms = ? WHERE model = ?")
                               .BindAll(clock_.UnixNow(), id)
                               .Run());
    MUSTER_RETURN_IF_ERROR(db_.Prepare("INSERT INTO version_counters SELECT ?, last FROM "
                                       "version_counters WHERE name = ? ON CONFLICT (name) DO "
                                       "UPDATE SET last = max(last, excluded.last)")
                               .BindAll(new_name, name)
                               .Run());
    MUSTER_RETURN_IF_ERROR(
        db_.Prepare("UPDATE requests SET model = ? WHERE model = ? AND kind <> 'audit'")
            .BindAll(new_name, name)
            .Run());
    MUSTER_RETURN_IF_ERROR(Touch(id));
    MUSTER_RETURN_IF_ERROR(
        Write("model.rename", name, 0, DetailOfText("new_name", new_name), actor));
    return LoadModel(new_name);
  });
}

Status SqliteModelStore::DeleteModel(std::string_view name, const Actor& actor) {
  return ChangeOrRefuse([&]() -> Result<Status> {
    MUSTER_ASSIGN_OR_RETURN(const std::int64_t id, Require(name));
    MUSTER_ASSIGN_OR_RETURN(const RegisteredModel model, LoadModel(name));
    std::vector<std::string> aliases;
    aliases.reserve(model.aliases.size());
    for (const AliasEntry& entry : model.aliases) aliases.push_back(entry.alias);
    MUSTER_ASSIGN_OR_RETURN(const Status guarded,
                            RefuseGuarded("deleted with its model", name, 0, aliases, actor));
    if (!guarded.ok()) return guarded;
    for (const std::string& alias : aliases) {
      MUSTER_RETURN_IF_ERROR(MoveAlias(name, id, alias, 0, AliasMove::kRemove, actor));
    }
    MUSTER_RETURN_IF_ERROR(db_.Prepare("DELETE FROM models WHERE id = ?").BindAll(id).Run());
    MUSTER_RETURN_IF_ERROR(Write("model.delete", name, 0, "{}", actor));
    return Status();
  });
}

Result<ModelPage<RegisteredModel>> SqliteModelStore::SearchModels(const ModelQuery& query) {
  MUSTER_ASSIGN_OR_RETURN(const ModelSearch search, ParseModelSearch(query));
  const auto lock = Reading();
  std::vector<RegisteredModel> models;
  {
    const auto only = search.only_name();
    auto select = db_.Prepare(
        "SELECT m.name, m.description, m.creation_ms, m.last_updated_ms, t.key, t.value FROM "
        "models m LEFT JOIN tags t ON t.model = m.id AND t.version = 0 WHERE ? OR m.name = ? "
        "ORDER BY m.id, t.key");
    select.BindAll(only ? 0 : 1, std::string_view(only ? *only : ""));
    for (;;) {
      MUSTER_ASSIGN_OR_RETURN(const bool row, select.Step());
      if (!row) break;
      if (models.empty() || models.back().name != select.Text(0)) {
        RegisteredModel& model = models.emplace_back();
        model.name = select.Text(0);
        model.description = select.Text(1);
        model.creation_ms = select.Int(2);
        model.last_updated_ms = select.Int(3);
      }
      if (select.IsNull(4)) continue;
      models.back().tags.push_back({std::string(select.Text(4)), std::string(select.Text(5))});
    }
  }
  auto page = Search(std::move(models), search);
  for (RegisteredModel& model : page.items) {
    MUSTER_ASSIGN_OR_RETURN(const std::int64_t id, Require(model.name));
    MUSTER_RETURN_IF_ERROR(FillAliases(id, model));
  }
  return page;
}

Status SqliteModelStore::SetTag(std::string_view name, std::int64_t version, std::string_view key,
                                std::optional<std::string> value, const Actor& actor) {
  MUSTER_RETURN_IF_ERROR(CheckModelName(name));
  MUSTER_RETURN_IF_ERROR(value ? CheckTag(key, *value) : CheckTagKey(key));
  return Change([&]() -> Status {
    if (version != 0) MUSTER_RETURN_IF_ERROR(LoadVersion(name, version));
    MUSTER_ASSIGN_OR_RETURN(const std::int64_t id, Require(name));
    if (value) {
      MUSTER_RETURN_IF_ERROR(InsertTags(id, version, {{std::string(key), *value}}));
    } else {
      MUSTER_RETURN_IF_ERROR(
          db_.Prepare("DELETE FROM tags WHERE model = ? AND version = ? AND key = ?")
              .BindAll(id, version, key)
              .Run());
      if (db_.changes() == 0) return Ok();
    }
    MUSTER_RETURN_IF_ERROR(
        Write(value ? "tag.set" : "tag.delete", name, version, DetailOfTag(key, value), actor));
    MUSTER_ASSIGN_OR_RETURN(const bool of_prompt, OfPrompt(id));
    return Tell(TagChanged(name, version, key, value, of_prompt), name, version, "");
  });
}

}  // namespace muster::registry
