#include "registry/gate_json.h"

#include "registry/audit_chain.h"
#include "runtime/wire/codec.h"

namespace muster::registry {

namespace statistics {
BOOST_DESCRIBE_STRUCT(Interval, (), (confidence, high, low))
}  // namespace statistics

namespace {

struct Evidence {
  std::optional<statistics::Interval> interval;
  std::optional<std::string> kind, method;
  std::optional<std::int64_t> rows;
  std::optional<std::string> rows_sha256;
};
BOOST_DESCRIBE_STRUCT(Evidence, (), (interval, kind, method, rows, rows_sha256))

struct VerdictFile {
  std::string detail, gate;
  std::optional<statistics::Interval> interval;
  std::optional<std::string> kind, method;
  bool passed = false;
  std::optional<std::int64_t> rows;
  std::optional<std::string> rows_sha256;
  double seen = 0, wanted = 0;
};
BOOST_DESCRIBE_STRUCT(VerdictFile, (),
                      (detail, gate, interval, kind, method, passed, rows, rows_sha256, seen,
                       wanted))

template <typename T>
std::optional<T> UnlessEmpty(const T& value) {
  return value == T() ? std::nullopt : std::optional(value);
}

/// What VerdictFile and Evidence share.
template <typename File>
void Put(const GateVerdict& verdict, File& file) {
  file.interval = verdict.interval;
  file.kind = UnlessEmpty(verdict.kind);
  file.method = UnlessEmpty(verdict.method);
  file.rows = UnlessEmpty(verdict.rows);
  file.rows_sha256 = UnlessEmpty(verdict.rows_sha256);
}

template <typename File>
void Take(File& file, GateVerdict& verdict) {
  verdict.interval = file.interval;
  verdict.kind = std::move(file.kind).value_or("");
  verdict.method = std::move(file.method).value_or("");
  verdict.rows = file.rows.value_or(0);
  verdict.rows_sha256 = std::move(file.rows_sha256).value_or("");
}

}  // namespace

boost::json::value GatesToJson(const std::vector<GateVerdict>& verdicts) {
  std::vector<VerdictFile> files;
  files.reserve(verdicts.size());
  for (const GateVerdict& verdict : verdicts) {
    VerdictFile& file = files.emplace_back();
    Put(verdict, file);
    file.detail = verdict.detail;
    file.gate = verdict.gate;
    file.passed = verdict.passed;
    file.seen = verdict.seen;
    file.wanted = verdict.wanted;
  }
  return wire::ToJson(files);
}

Result<std::vector<GateVerdict>> GatesFromJson(const boost::json::value& json) {
  MUSTER_ASSIGN_OR_RETURN(auto files, wire::FromJson<std::vector<VerdictFile>>(json));
  std::vector<GateVerdict> verdicts;
  verdicts.reserve(files.size());
  for (VerdictFile& file : files) {
    verdicts.push_back(
        {std::move(file.gate), file.passed, file.seen, file.wanted, std::move(file.detail)});
    Take(file, verdicts.back());
  }
  return verdicts;
}

Result<GateFile> CheckGateFile(std::string_view text, std::string_view gates_json) {
  if (text.size() > kGateFileBytesMost) {
    return Invalid("a gate file of " + std::to_string(text.size()) + " bytes; wanted at most " +
                   std::to_string(kGateFileBytesMost));
  }
  GateFile file;
  file.text = text;
  MUSTER_ASSIGN_OR_RETURN(file.gates_json, CanonicalJson(gates_json));
  return file;
}

std::string EvidenceText(const GateVerdict& verdict) {
  Evidence evidence;
  Put(verdict, evidence);
  return wire::SerializeJson(wire::ToJson(evidence));
}

Status ReadEvidence(std::string_view text, GateVerdict& verdict) {
  MUSTER_ASSIGN_OR_RETURN(auto evidence, wire::Decode<Evidence>(text));
  Take(evidence, verdict);
  return Ok();
}

}  // namespace muster::registry
