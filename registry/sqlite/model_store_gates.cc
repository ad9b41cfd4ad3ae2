#include <limits>

#include "registry/change_detail.h"
#include "registry/gate_json.h"
#include "registry/model_rules.h"
#include "registry/sqlite/model_store.h"

// Verdicts of versions, and the gate files of models.

namespace muster::registry {

Status SqliteModelStore::RecordGates(std::string_view name, std::int64_t version,
                                     const std::vector<GateVerdict>& verdicts, const Actor& actor) {
  return Change([&]() -> Status {
    MUSTER_RETURN_IF_ERROR(LoadVersion(name, version));
    MUSTER_ASSIGN_OR_RETURN(const std::int64_t model, Require(name));
    MUSTER_RETURN_IF_ERROR(Write("gates.record", name, version, DetailOfGates(verdicts), actor));
    const std::int64_t entry = db_.last_insert_id();
    for (const GateVerdict& verdict : verdicts) {
      auto insert = db_.Prepare(
          "INSERT INTO gates (model, version, gate, passed, seen, wanted, detail, evidence, audit) "
          "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)");
      insert.BindAll(model, version, verdict.gate, verdict.passed ? 1 : 0);
      // SQLite has no NaN: binding one stores NULL, and that is what is read back as NaN.
      insert.Bind(4, verdict.seen).Bind(5, verdict.wanted).Bind(6, verdict.detail);
      MUSTER_RETURN_IF_ERROR(insert.Bind(7, EvidenceText(verdict)).Bind(8, entry).Run());
    }
    return Ok();
  });
}

Result<std::vector<GateVerdict>> SqliteModelStore::Gates(std::string_view name,
                                                         std::int64_t version) {
  const auto lock = Reading();
  MUSTER_ASSIGN_OR_RETURN(const std::int64_t model, Require(name));
  return LoadVerdicts(model, version, std::numeric_limits<std::int64_t>::max());
}

Result<std::vector<GateVerdict>> SqliteModelStore::LoadVerdicts(std::int64_t model,
                                                                std::int64_t version,
                                                                std::int64_t audit) {
  auto select = db_.Prepare(
      "SELECT gate, passed, seen, wanted, detail, evidence FROM gates WHERE model = ? AND "
      "version = ? AND audit < ? ORDER BY sequence");
  select.BindAll(model, version, audit);
  const auto number = [&](int column) {
    return select.IsNull(column) ? std::numeric_limits<double>::quiet_NaN() : select.Double(column);
  };
  std::vector<GateVerdict> verdicts;
  for (;;) {
    MUSTER_ASSIGN_OR_RETURN(const bool row, select.Step());
    if (!row) return verdicts;
    verdicts.push_back({std::string(select.Text(0)), select.Int(1) != 0, number(2), number(3),
                        std::string(select.Text(4))});
    if (const Status read = ReadEvidence(select.Text(5), verdicts.back()); !read.ok()) {
      return Corrupt("evidence of gate '" + verdicts.back().gate + "': " + read.error().message);
    }
  }
}

Status SqliteModelStore::SetGateFile(std::string_view name, std::string_view text,
                                     std::string_view gates_json, const Actor& actor) {
  MUSTER_ASSIGN_OR_RETURN(const GateFile file, CheckGateFile(text, gates_json));
  return Change([&]() -> Status {
    MUSTER_ASSIGN_OR_RETURN(const std::int64_t model, Require(name));
    MUSTER_RETURN_IF_ERROR(
        db_.Prepare("INSERT INTO gate_files (model, text, gates, from_ms, actor, reason) VALUES "
                    "(?, ?, ?, ?, ?, ?)")
            .BindAll(model, file.text, file.gates_json, clock_.UnixNow(), actor.name, actor.reason)
            .Run());
    return Write("gates.set", name, 0, DetailOfGateFile(file), actor);
  });
}

Result<std::vector<GateFile>> SqliteModelStore::GateFiles(std::string_view name) {
  const auto lock = Reading();
  MUSTER_ASSIGN_OR_RETURN(const std::int64_t model, Require(name));
  auto select = db_.Prepare(
      "SELECT text, gates, from_ms, actor, reason FROM gate_files WHERE model = ? ORDER BY "
      "sequence DESC");
  select.BindAll(model);
  std::vector<GateFile> files;
  for (;;) {
    MUSTER_ASSIGN_OR_RETURN(const bool row, select.Step());
    if (!row) return files;
    files.push_back({std::string(select.Text(0)), std::string(select.Text(1)), select.Int(2),
                     std::string(select.Text(3)), std::string(select.Text(4))});
  }
}

}  // namespace muster::registry
