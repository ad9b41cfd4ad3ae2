#include <cmath>
#include <limits>

#include "registry/change_detail.h"
#include "registry/model_rules.h"
#include "registry/sqlite/model_store.h"

namespace muster::registry {

Result<std::int64_t> SqliteModelStore::AliasTarget(std::int64_t model, std::string_view alias) {
  auto select = db_.Prepare("SELECT version FROM aliases WHERE model = ? AND alias = ?");
  MUSTER_ASSIGN_OR_RETURN(const bool row, select.BindAll(model, alias).Step());
  return row ? select.Int(0) : 0;
}

Status SqliteModelStore::MoveAlias(std::string_view name, std::int64_t model,
                                   std::string_view alias, std::int64_t version, AliasMove move,
                                   const Actor& actor) {
  MUSTER_ASSIGN_OR_RETURN(const std::int64_t previous, AliasTarget(model, alias));
  if (version == 0) {
    MUSTER_RETURN_IF_ERROR(db_.Prepare("DELETE FROM aliases WHERE model = ? AND alias = ?")
                               .BindAll(model, alias)
                               .Run());
  } else {
    MUSTER_RETURN_IF_ERROR(db_.Prepare("INSERT OR REPLACE INTO aliases VALUES (?, ?, ?)")
                               .BindAll(model, alias, version)
                               .Run());
  }
  const std::int64_t concerned = version == 0 ? previous : version;
  MUSTER_RETURN_IF_ERROR(Write("alias." + std::string(AliasMoveName(move)), name, concerned,
                               DetailOfAlias(alias, previous, version), actor));
  MUSTER_RETURN_IF_ERROR(
      db_.Prepare("INSERT INTO alias_history (model, alias, version, previous, move, from_ms, "
                  "actor, reason, audit) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")
          .BindAll(model, alias, version, previous, static_cast<int>(move), clock_.UnixNow(),
                   actor.name, actor.reason, db_.last_insert_id())
          .Run());
  MUSTER_ASSIGN_OR_RETURN(const bool of_prompt, OfPrompt(model));
  return Tell(AliasChanged(name, alias, version, of_prompt), name, concerned, alias);
}

Status SqliteModelStore::SetAlias(std::string_view name, std::string_view alias,
                                  std::int64_t version, const Actor& actor) {
  MUSTER_RETURN_IF_ERROR(CheckModelName(name));
  MUSTER_RETURN_IF_ERROR(version == 0 ? CheckAlias(alias) : CheckNewAlias(alias));
  return ChangeOrRefuse([&]() -> Result<Status> {
    ModelVersion wanted;
    if (version != 0) {
      MUSTER_ASSIGN_OR_RETURN(wanted, LoadVersion(name, version));
    }
    MUSTER_ASSIGN_OR_RETURN(const std::int64_t model, Require(name));
    MUSTER_ASSIGN_OR_RETURN(const std::int64_t now, AliasTarget(model, alias));
    if (now == version) return Status();
    if (version == 0) {
      MUSTER_ASSIGN_OR_RETURN(const Status guarded,
                              RefuseGuarded("removed", name, now, {std::string(alias)}, actor));
      if (!guarded.ok()) return guarded;
    } else {
      MUSTER_ASSIGN_OR_RETURN(const auto unmet, UnmetFor(model, wanted, alias, 0));
      if (!unmet.empty()) {
        return Refuse(GuardedAlias(name, alias, unmet), name, version, alias, version, actor);
      }
    }
    MUSTER_RETURN_IF_ERROR(MoveAlias(name, model, alias, version,
                                     version == 0 ? AliasMove::kRemove : AliasMove::kSet, actor));
    return Status();
  });
}

Result<ModelVersion> SqliteModelStore::GetByAlias(std::string_view name, std::string_view alias) {
  MUSTER_RETURN_IF_ERROR(CheckAlias(alias));
  const auto lock = Reading();
  MUSTER_ASSIGN_OR_RETURN(const std::int64_t model, Require(name));
  std::int64_t version = 0;
  if (IsLatest(alias)) {
    auto select = db_.Prepare("SELECT max(version) FROM versions WHERE model = ?");
    MUSTER_RETURN_IF_ERROR(select.BindAll(model).Step());
    if (select.IsNull(0)) return NoLatest(name);
    version = select.Int(0);
  } else {
    MUSTER_ASSIGN_OR_RETURN(version, AliasTarget(model, alias));
    if (version == 0) return AliasNotFound(alias);
  }
  return LoadVersion(name, version);
}

Status SqliteModelStore::Promote(const Promotion& promotion, const Actor& actor) {
  MUSTER_RETURN_IF_ERROR(CheckNewAlias(promotion.alias));
  return ChangeOrRefuse([&]() -> Result<Status> {
    const auto& [name, alias, version, expected, request_id, rollback, approvals, wait] = promotion;
    const auto refuse = [&](Error error) {
      return Refuse(std::move(error), name, version, alias, version, actor);
    };
    MUSTER_ASSIGN_OR_RETURN(const auto before, FindRequest("promotion", request_id));
    if (before) {
      if (before->model == name && before->number == version) return Status();
      return refuse(RequestReused(request_id, before->model, before->number));
    }
    MUSTER_ASSIGN_OR_RETURN(const ModelVersion wanted, LoadVersion(name, version));
    MUSTER_ASSIGN_OR_RETURN(const std::int64_t model, Require(name));
    MUSTER_ASSIGN_OR_RETURN(const std::int64_t seen, AliasTarget(model, alias));
    if (seen != expected) return refuse(AliasMoved(promotion, seen));
    MUSTER_ASSIGN_OR_RETURN(const bool let_before, NamedBefore(model, alias, version));
    if (!rollback || !let_before) {
      MUSTER_ASSIGN_OR_RETURN(const auto unmet, UnmetFor(model, wanted, alias, approvals));
      if (!unmet.empty()) {
        Error guarded = GuardedAlias(name, alias, unmet);
        if (wait) {
          MUSTER_RETURN_IF_ERROR(Await(model, promotion, actor));
          guarded.message += "; it goes on with the last of them";
        }
        return refuse(std::move(guarded));
      }
    }
    MUSTER_RETURN_IF_ERROR(MoveAlias(name, model, alias, version,
                                     rollback ? AliasMove::kRollback : AliasMove::kPromote, actor));
    MUSTER_RETURN_IF_ERROR(RememberRequest("promotion", request_id, name, version));
    return Status();
  });
}

Result<std::vector<AliasChange>> SqliteModelStore::AliasHistory(std::string_view name) {
  const auto lock = Reading();
  MUSTER_ASSIGN_OR_RETURN(const std::int64_t model, Require(name));
  auto select = db_.Prepare(
      "SELECT alias, version, previous, move, from_ms, actor, reason FROM alias_history WHERE "
      "model = ? ORDER BY sequence DESC");
  select.BindAll(model);
  std::vector<AliasChange> history;
  for (;;) {
    MUSTER_ASSIGN_OR_RETURN(const bool row, select.Step());
    if (!row) return history;
    history.push_back({std::string(select.Text(0)), select.Int(1), select.Int(2),
                       static_cast<AliasMove>(select.Int(3)), select.Int(4),
                       std::string(select.Text(5)), std::string(select.Text(6))});
  }
}

}  // namespace muster::registry
