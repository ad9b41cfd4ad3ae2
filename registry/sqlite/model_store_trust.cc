#include <algorithm>

#include "registry/approval.h"
#include "registry/change_detail.h"
#include "registry/cron.h"
#include "registry/model_rules.h"
#include "registry/sqlite/model_store.h"
#include "runtime/base/random.h"
#include "runtime/base/sha256.h"
#include "runtime/wire/codec.h"

// Policies, tokens, approvals, the promotions that wait for them, and what served when.

namespace muster::registry {
namespace {

constexpr int kTokenBytes = 32;
constexpr std::string_view kTokenPrefix = "muster_";  // for scanners of secrets

}  // namespace

// --- policies ---------------------------------------------------------------------------------------

Result<std::optional<ApprovalPolicy>> SqliteModelStore::LoadPolicy(std::string_view model) {
  auto select = db_.Prepare("SELECT policy FROM policies WHERE model = ?");
  MUSTER_ASSIGN_OR_RETURN(const bool row, select.BindAll(model).Step());
  if (!row) return std::optional<ApprovalPolicy>();
  MUSTER_ASSIGN_OR_RETURN(const auto json, wire::ParseJson(select.Text(0)));
  auto policy = PolicyFromJson(json);
  if (!policy.ok()) {
    return Corrupt("policy of '" + std::string(model) + "': " + policy.error().message);
  }
  return std::optional(std::move(*policy));
}

Result<std::optional<ApprovalPolicy>> SqliteModelStore::Policy(std::string_view model) {
  const auto lock = Reading();
  return LoadPolicy(model);
}

Status SqliteModelStore::SetPolicy(std::string_view model,
                                   const std::optional<ApprovalPolicy>& policy,
                                   const Actor& actor) {
  MUSTER_RETURN_IF_ERROR(CheckModelName(model));
  return Change([&]() -> Status {
    if (!policy) {
      MUSTER_RETURN_IF_ERROR(
          db_.Prepare("DELETE FROM policies WHERE model = ?").BindAll(model).Run());
      if (db_.changes() == 0) return Ok();
      return Write("policy.remove", model, 0, "{}", actor);
    }
    MUSTER_ASSIGN_OR_RETURN(const std::string text,
                            CanonicalJson(wire::SerializeJson(ToJson(*policy))));
    MUSTER_RETURN_IF_ERROR(
        db_.Prepare("INSERT OR REPLACE INTO policies VALUES (?, ?)").BindAll(model, text).Run());
    return Write("policy.set", model, 0, text, actor);
  });
}

// --- people -----------------------------------------------------------------------------------------

Result<std::string> SqliteModelStore::AddToken(std::string_view person, const Actor& actor) {
  if (person.empty()) return Invalid("a token is of a person; wanted a name");
  const std::string token = std::string(kTokenPrefix) + RandomHex(kTokenBytes);
  MUSTER_RETURN_IF_ERROR(Change([&]() -> Status {
    MUSTER_RETURN_IF_ERROR(db_.Prepare("INSERT INTO tokens VALUES (?, ?, ?)")
                               .BindAll(Sha256Hex(token), person, clock_.UnixNow())
                               .Run());
    return Write("token.add", "", 0, DetailOfText("person", person), actor);
  }));
  return token;
}

Status SqliteModelStore::RevokeTokens(std::string_view person, const Actor& actor) {
  return Change([&]() -> Status {
    MUSTER_RETURN_IF_ERROR(
        db_.Prepare("DELETE FROM tokens WHERE person = ?").BindAll(person).Run());
    if (db_.changes() == 0) return NotFound("'" + std::string(person) + "' has no token");
    return Write("token.revoke", "", 0, DetailOfText("person", person), actor);
  });
}

Result<std::string> SqliteModelStore::PersonOf(std::string_view token) {
  if (token.empty()) {
    return Unauthorized(
        "an approval needs a token (MUSTER_TOKEN); 'muster model token add NAME' "
        "on the server's machine gives one out");
  }
  const auto lock = Reading();
  auto select = db_.Prepare("SELECT person FROM tokens WHERE sha256 = ?");
  MUSTER_ASSIGN_OR_RETURN(const bool row, select.BindAll(Sha256Hex(token)).Step());
  if (!row) return Unauthorized("the token is nobody's here, or was revoked");
  return std::string(select.Text(0));
}

// --- approvals --------------------------------------------------------------------------------------

Result<std::vector<Approval>> SqliteModelStore::LoadApprovals(std::int64_t model,
                                                              std::int64_t version) {
  auto select = db_.Prepare(
      "SELECT person, approved, reason, digest, time_ms, audit FROM approvals WHERE model = ? AND "
      "version = ? ORDER BY sequence");
  select.BindAll(model, version);
  std::vector<Approval> approvals;
  for (;;) {
    MUSTER_ASSIGN_OR_RETURN(const bool row, select.Step());
    if (!row) return approvals;
    approvals.push_back({std::string(select.Text(0)), select.Int(1) != 0,
                         std::string(select.Text(2)), std::string(select.Text(3)), select.Int(4),
                         select.Int(5)});
  }
}

Result<ApprovalCase> SqliteModelStore::CaseOf(std::int64_t model, const ModelVersion& version) {
  ApprovalCase of;
  of.author = version.user_id;
  MUSTER_ASSIGN_OR_RETURN(
      of.verdicts, LoadVerdicts(model, version.version, std::numeric_limits<std::int64_t>::max()));
  MUSTER_ASSIGN_OR_RETURN(of.approvals, LoadApprovals(model, version.version));
  of.digest = VerdictDigest(version, of.verdicts);
  return of;
}

Result<std::vector<std::string>> SqliteModelStore::UnmetFor(std::int64_t model,
                                                            const ModelVersion& version,
                                                            std::string_view alias, int approvals) {
  MUSTER_ASSIGN_OR_RETURN(auto policy, LoadPolicy(version.name));
  if (!policy || !Guards(*policy, alias)) {
    if (approvals == 0) return std::vector<std::string>();
    policy = ApprovalPolicy{.approvals = 0, .author_may = false};
  }
  policy->approvals = std::max(policy->approvals, approvals);
  MUSTER_ASSIGN_OR_RETURN(const ApprovalCase of, CaseOf(model, version));
  return Unmet(*policy, of);
}

Result<Status> SqliteModelStore::Refuse(Error error, std::string_view name, std::int64_t version,
                                        std::string_view alias, std::int64_t to,
                                        const Actor& actor) {
  MUSTER_RETURN_IF_ERROR(
      Write("alias.refused", name, version, DetailOfRefusal(alias, to, error), actor));
  return Status(std::move(error));
}

Result<Status> SqliteModelStore::RefuseGuarded(std::string_view verb, std::string_view name,
                                               std::int64_t version,
                                               const std::vector<std::string>& aliases,
                                               const Actor& actor) {
  MUSTER_ASSIGN_OR_RETURN(const auto policy, LoadPolicy(name));
  const auto guarded = std::ranges::find_if(
      aliases, [&](const std::string& alias) { return policy && Guards(*policy, alias); });
  if (guarded == aliases.end()) return Status();
  return Refuse(GuardedAlias(name, *guarded,
                             {"it cannot be " + std::string(verb) +
                              "; take the policy away before, or move it to another version"}),
                name, version, *guarded, 0, actor);
}

Result<bool> SqliteModelStore::NamedBefore(std::int64_t model, std::string_view alias,
                                           std::int64_t version) {
  auto select = db_.Prepare(
      "SELECT 1 FROM alias_history WHERE model = ? AND alias = ? AND version = ? LIMIT 1");
  return select.BindAll(model, alias, version).Step();
}

Status SqliteModelStore::Await(std::int64_t model, const Promotion& promotion, const Actor& actor) {
  return db_.Prepare("INSERT OR REPLACE INTO waiting VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
      .BindAll(model, promotion.alias, promotion.version, promotion.expected, promotion.approvals,
               promotion.request_id, actor.name, actor.reason)
      .Run();
}

Result<std::vector<AliasEntry>> SqliteModelStore::PromoteWaiting(std::int64_t model,
                                                                 const ModelVersion& version) {
  struct Waiting {
    Promotion promotion;
    Actor actor;
  };
  std::vector<Waiting> all;
  {
    auto select = db_.Prepare(
        "SELECT alias, expected, approvals, request, actor, reason FROM waiting WHERE model = ? "
        "AND version = ? ORDER BY alias");
    select.BindAll(model, version.version);
    for (;;) {
      MUSTER_ASSIGN_OR_RETURN(const bool row, select.Step());
      if (!row) break;
      Promotion promotion{version.name,  std::string(select.Text(0)), version.version,
                          select.Int(1), std::string(select.Text(3)), false};
      promotion.approvals = static_cast<int>(select.Int(2));
      all.push_back(
          {std::move(promotion), {std::string(select.Text(4)), std::string(select.Text(5))}});
    }
  }
  std::vector<AliasEntry> promoted;
  for (const auto& [promotion, actor] : all) {
    MUSTER_ASSIGN_OR_RETURN(const auto unmet,
                            UnmetFor(model, version, promotion.alias, promotion.approvals));
    if (!unmet.empty()) continue;
    MUSTER_RETURN_IF_ERROR(
        db_.Prepare("DELETE FROM waiting WHERE model = ? AND version = ? AND alias = ?")
            .BindAll(model, version.version, promotion.alias)
            .Run());
    MUSTER_ASSIGN_OR_RETURN(const std::int64_t seen, AliasTarget(model, promotion.alias));
    if (seen != promotion.expected) {
      // Its gates compared it with a version that serves no more.
      MUSTER_RETURN_IF_ERROR(Refuse(AliasMoved(promotion, seen), version.name, version.version,
                                    promotion.alias, version.version, actor));
      continue;
    }
    MUSTER_RETURN_IF_ERROR(MoveAlias(version.name, model, promotion.alias, version.version,
                                     AliasMove::kPromote, actor));
    MUSTER_RETURN_IF_ERROR(
        RememberRequest("promotion", promotion.request_id, version.name, version.version));
    promoted.push_back({promotion.alias, version.version});
  }
  return promoted;
}

Result<ApprovalState> SqliteModelStore::StateOf(std::int64_t model, const ModelVersion& version) {
  MUSTER_ASSIGN_OR_RETURN(ApprovalCase of, CaseOf(model, version));
  MUSTER_ASSIGN_OR_RETURN(const auto policy, LoadPolicy(version.name));
  ApprovalState state{.author = of.author, .digest = of.digest, .approvals = of.approvals};
  state.unmet = Unmet(policy.value_or(ApprovalPolicy()), of);
  return state;
}

Result<ApprovalState> SqliteModelStore::Approvals(std::string_view model, std::int64_t version) {
  const auto lock = Reading();
  MUSTER_ASSIGN_OR_RETURN(const ModelVersion found, LoadVersion(model, version));
  MUSTER_ASSIGN_OR_RETURN(const std::int64_t id, Require(model));
  return StateOf(id, found);
}

Result<ApprovalState> SqliteModelStore::Decide(const Decision& decision) {
  const Actor actor{decision.person, decision.reason};
  ApprovalState state;
  MUSTER_RETURN_IF_ERROR(ChangeOrRefuse([&]() -> Result<Status> {
    MUSTER_ASSIGN_OR_RETURN(const ModelVersion version,
                            LoadVersion(decision.model, decision.version));
    MUSTER_ASSIGN_OR_RETURN(const std::int64_t model, Require(decision.model));
    MUSTER_ASSIGN_OR_RETURN(const auto policy, LoadPolicy(decision.model));
    const Status may = MayDecide(policy.value_or(ApprovalPolicy{.author_may = false}),
                                 version.user_id, decision.person);
    if (!may.ok()) {
      MUSTER_RETURN_IF_ERROR(Write("approval.refused", decision.model, decision.version,
                                   DetailOfText("why", may.error().message), actor));
      return may;
    }
    MUSTER_ASSIGN_OR_RETURN(const ApprovalCase of, CaseOf(model, version));
    MUSTER_RETURN_IF_ERROR(Write(decision.approve ? "approval.give" : "approval.reject",
                                 decision.model, decision.version,
                                 DetailOfText("digest", of.digest), actor));
    MUSTER_RETURN_IF_ERROR(
        db_.Prepare("INSERT INTO approvals (model, version, person, approved, reason, digest, "
                    "time_ms, audit) VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
            .BindAll(model, decision.version, decision.person, decision.approve ? 1 : 0,
                     decision.reason, of.digest, clock_.UnixNow(), db_.last_insert_id())
            .Run());
    MUSTER_ASSIGN_OR_RETURN(auto promoted, PromoteWaiting(model, version));
    MUSTER_ASSIGN_OR_RETURN(state, StateOf(model, version));
    state.promoted = std::move(promoted);
    return Status();
  }));
  return state;
}

// --- history ----------------------------------------------------------------------------------------

Result<Served> SqliteModelStore::ServedAt(std::string_view name, std::string_view alias,
                                          std::int64_t at_ms) {
  const auto lock = Reading();
  MUSTER_ASSIGN_OR_RETURN(const std::int64_t model, Require(name));
  Served served;
  std::int64_t sequence = 0;
  {
    auto select = db_.Prepare(
        "SELECT version, previous, move, from_ms, actor, reason, audit, sequence FROM "
        "alias_history WHERE model = ? AND alias = ? AND from_ms <= ? ORDER BY from_ms DESC, "
        "sequence DESC LIMIT 1");
    MUSTER_ASSIGN_OR_RETURN(const bool row, select.BindAll(model, alias, at_ms).Step());
    if (!row) {
      return NotFound("alias '" + std::string(alias) + "' of '" + std::string(name) +
                      "' named nothing at " + UtcText(at_ms / 1'000));
    }
    served.change = {std::string(alias),
                     select.Int(0),
                     select.Int(1),
                     static_cast<AliasMove>(select.Int(2)),
                     select.Int(3),
                     std::string(select.Text(4)),
                     std::string(select.Text(5))};
    served.audit = select.Int(6);
    sequence = select.Int(7);
  }
  {
    auto next = db_.Prepare(
        "SELECT from_ms FROM alias_history WHERE model = ? AND alias = ? AND (from_ms, sequence) > "
        "(?, ?) ORDER BY from_ms, sequence LIMIT 1");
    MUSTER_ASSIGN_OR_RETURN(const bool row,
                            next.BindAll(model, alias, served.change.from_ms, sequence).Step());
    if (row) served.until_ms = next.Int(0);
  }
  const std::int64_t then =
      served.audit > 0 ? served.audit : std::numeric_limits<std::int64_t>::max();
  const std::int64_t version = served.change.version;
  MUSTER_ASSIGN_OR_RETURN(served.verdicts, LoadVerdicts(model, version, then));
  MUSTER_ASSIGN_OR_RETURN(auto approvals, LoadApprovals(model, version));
  std::erase_if(approvals, [&](const Approval& approval) { return approval.audit >= then; });
  ModelVersion found;
  if (auto loaded = LoadVersion(name, version); loaded.ok()) found = std::move(*loaded);
  served.source = found.source;
  served.author = found.user_id;
  // Of a deleted version nobody can tell any more which approvals were in force.
  served.approvals = found.version == 0 ? std::move(approvals)
                                        : InForce(approvals, VerdictDigest(found, served.verdicts));
  return served;
}

}  // namespace muster::registry
