#include "registry/sqlite/audit_file.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <thread>
#include <vector>

namespace muster::registry {
namespace {

/// Fewer are not worth a thread.
constexpr std::int64_t kLeastOfAThread = 20'000;

/// What the database says of its audit.
struct Recorded {
  bool has_signatures = false;  // schema version 3 and later
  bool has_head = false;
  AuditHead head;
  std::string public_key;
  std::int64_t key_since = 0;
};

Result<Recorded> ReadRecorded(sqlite::Database& database) {
  Recorded recorded;
  MUSTER_ASSIGN_OR_RETURN(auto column,
                          database.PrepareOnce("SELECT count(*) FROM pragma_table_info('audit') "
                                               "WHERE name = 'signature'"));
  MUSTER_RETURN_IF_ERROR(column.Step());
  recorded.has_signatures = column.Int(0) == 1;
  MUSTER_ASSIGN_OR_RETURN(
      auto head,
      database.PrepareOnce(recorded.has_signatures
                               ? "SELECT count, hash, public_key, key_since FROM audit_head"
                               : "SELECT count, hash, '', 0 FROM audit_head"));
  MUSTER_ASSIGN_OR_RETURN(recorded.has_head, head.Step());
  if (!recorded.has_head) return recorded;
  recorded.head = {head.Int(0), std::string(head.Text(1))};
  recorded.public_key = head.Text(2);
  recorded.key_since = head.Int(3);
  return recorded;
}

std::string SelectEntries(const Recorded& recorded, std::string_view where) {
  return "SELECT " + std::string(kAuditColumns) +
         (recorded.has_signatures ? ", signature" : ", ''") + " FROM audit " + std::string(where);
}

/// A run of entries that one thread walks: those behind `after`, to and with `last`.
struct Part {
  std::int64_t after = 0;
  std::optional<std::int64_t> last;  // none: to the end
};

struct Walked {
  Status status;
  std::int64_t count = 0, signatures = 0;
  std::string head;
  bool head_seen = false;  // the one that was written down elsewhere
};

Result<Walked> Walk(sqlite::Database& database, const Recorded& recorded, const Part& part,
                    const AuditVerifier::Signed& with, const AuditCheck& check) {
  AuditHead begin{.sequence = part.after, .hash = ""};
  if (part.after > 0) {
    MUSTER_ASSIGN_OR_RETURN(auto before,
                            database.PrepareOnce("SELECT hash FROM audit WHERE sequence = ?"));
    MUSTER_ASSIGN_OR_RETURN(const bool row, before.BindAll(part.after).Step());
    if (!row)
      return Walked{.status = Ok(), .count = part.after, .head = ""};  // the part before finds it
    begin.hash = before.Text(0);
  }
  AuditVerifier verifier(begin, with);
  MUSTER_ASSIGN_OR_RETURN(
      auto select,
      database.PrepareOnce(SelectEntries(
          recorded, "WHERE sequence > ?1 AND (?2 < 0 OR sequence <= ?2) ORDER BY sequence")));
  select.BindAll(part.after, part.last.value_or(-1));
  Walked walked;
  for (;;) {
    MUSTER_ASSIGN_OR_RETURN(const bool row, select.Step());
    if (!row) break;
    const AuditEntry entry = ReadAuditEntry(select);
    walked.status = verifier.Add(entry);
    if (!walked.status.ok()) break;
    if (check.head && check.head->sequence == entry.sequence) {
      walked.head_seen = check.head->hash == entry.hash;
    }
  }
  if (walked.status.ok() && !part.last) walked.status = verifier.CheckNewest();
  if (walked.status.ok() && part.last && verifier.count() < *part.last) {
    walked.status = Corrupt("audit entry " + std::to_string(verifier.count() + 1) + " is missing");
  }
  walked.count = verifier.count();
  walked.signatures = verifier.signatures();
  walked.head = verifier.head();
  return walked;
}

/// What is wrong beside the entries themselves; empty: nothing.
std::string FindingOf(const Recorded& recorded, const AuditCheck& check,
                      const std::vector<Walked>& parts) {
  const Walked& end = parts.back();
  for (const Walked& part : parts) {
    if (!part.status.ok()) return part.status.error().message;
  }
  const auto ends = "the chain ends after " + std::to_string(end.count) + " entries; wanted " +
                    std::to_string(recorded.head.sequence);
  if (end.count < recorded.head.sequence) {
    return "audit entry " + std::to_string(end.count + 1) + " is missing: " + ends;
  }
  if (end.count > recorded.head.sequence) {
    return "audit entry " + std::to_string(recorded.head.sequence + 1) + " was added: " + ends;
  }
  if (end.head != recorded.head.hash) {
    return "audit entry " + std::to_string(end.count) + " has hash '" + end.head +
           "'; the recorded end is '" + recorded.head.hash + "'";
  }
  if (check.head && check.head->sequence > 0 &&
      std::ranges::none_of(parts, [](const Walked& part) { return part.head_seen; })) {
    return "audit entry " + std::to_string(check.head->sequence) +
           " is not the one that was written down: wanted hash '" + check.head->hash + "'";
  }
  return "";
}

std::vector<Part> Split(std::int64_t entries, int threads) {
  const auto most = std::max<std::int64_t>(1, entries / kLeastOfAThread);
  const auto count = std::clamp<std::int64_t>(threads, 1, most);
  std::vector<Part> parts;
  parts.reserve(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) {
    parts.push_back({entries * i / count, entries * (i + 1) / count});
  }
  parts.back().last.reset();
  return parts;
}

using OpenReader = std::function<Result<sqlite::Database>()>;

/// `database` is in a transaction that sees the head and all entries before it; they do not change.
Result<AuditReport> Check(sqlite::Database& database, const AuditCheck& check,
                          const OpenReader& open_reader) {
  MUSTER_ASSIGN_OR_RETURN(const Recorded recorded, ReadRecorded(database));
  if (!recorded.has_head) {
    return AuditReport{.finding = "audit_head is empty: the chain's recorded end is missing"};
  }
  std::optional<PublicKey> key = check.key;
  if (!recorded.public_key.empty()) {
    const auto named = PublicKey::FromPem(recorded.public_key);
    const bool other = !named.ok() || (key && !(*key == *named));
    if (other)
      return AuditReport{.finding = "the audit was signed with another key than the one given"};
    key = *named;
  } else if (key) {
    return AuditReport{.finding =
                           "nothing in this audit is signed; wanted the given key's signatures"};
  }
  AuditVerifier::Signed with;
  if (key) with = {&*key, recorded.key_since, check.every_signature ? 1 : kCheckedEvery};

  const int threads = !open_reader ? 1
                      : check.threads > 0
                          ? check.threads
                          : static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  const auto parts = Split(recorded.head.sequence, threads);
  std::vector<Result<Walked>> walked(parts.size(), Result<Walked>(Walked{}));
  {
    std::vector<std::jthread> others;
    for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
      others.emplace_back([&, i] {
        auto reader = open_reader();
        walked[i] = reader.ok() ? Walk(*reader, recorded, parts[i], with, check)
                                : Result<Walked>(reader.error());
      });
    }
    walked.back() = Walk(database, recorded, parts.back(), with, check);
  }
  AuditReport report{.signed_since = key ? recorded.key_since : 0};
  std::vector<Walked> done;
  for (auto& part : walked) {
    if (!part.ok()) return part.error();
    report.signatures += part->signatures;
    done.push_back(std::move(*part));
  }
  report.entries = done.back().count;
  report.head = done.back().head;
  report.finding = FindingOf(recorded, check, done);
  return report;
}

Result<AuditReport> CheckInTransaction(sqlite::Database& database, const AuditCheck& check,
                                       const OpenReader& open_reader) {
  MUSTER_RETURN_IF_ERROR(database.Execute("BEGIN"));
  auto report = Check(database, check, open_reader);
  database.Rollback();
  return report;
}

Result<sqlite::Database> OpenToRead(const std::filesystem::path& file) {
  std::error_code failure;
  if (!std::filesystem::exists(file, failure)) return NotFound("no database " + file.string());
  return sqlite::Database::Open(file, {.read_only = true});
}

}  // namespace

AuditEntry ReadAuditEntry(const sqlite::Statement& row) {
  AuditEntry entry;
  entry.sequence = row.Int(0);
  entry.time_ms = row.Int(1);
  entry.actor = row.Text(2);
  entry.action = row.Text(3);
  entry.model = row.Text(4);
  entry.reason = row.Text(5);
  entry.version = row.Int(6);
  entry.detail_json = row.Text(7);
  entry.previous_hash = row.Text(8);
  entry.hash = row.Text(9);
  entry.signature = row.Text(10);
  return entry;
}

Result<AuditReport> CheckAuditFile(const std::filesystem::path& file, const AuditCheck& check) {
  MUSTER_ASSIGN_OR_RETURN(auto database, OpenToRead(file));
  return CheckInTransaction(database, check, [&] { return OpenToRead(file); });
}

Result<AuditReport> CheckAuditOf(sqlite::Database& database, const AuditCheck& check) {
  return CheckInTransaction(database, check, nullptr);
}

Status ForEachAuditEntry(const std::filesystem::path& file,
                         const std::function<Status(const AuditEntry&)>& each) {
  MUSTER_ASSIGN_OR_RETURN(auto database, OpenToRead(file));
  MUSTER_ASSIGN_OR_RETURN(const Recorded recorded, ReadRecorded(database));
  MUSTER_ASSIGN_OR_RETURN(auto select,
                          database.PrepareOnce(SelectEntries(recorded, "ORDER BY sequence")));
  for (;;) {
    MUSTER_ASSIGN_OR_RETURN(const bool row, select.Step());
    if (!row) return Ok();
    MUSTER_RETURN_IF_ERROR(each(ReadAuditEntry(select)));
  }
}

}  // namespace muster::registry
