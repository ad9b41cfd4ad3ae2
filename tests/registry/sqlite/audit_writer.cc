#include <cstdio>
#include <cstdlib>

#include "registry/audit_chain.h"
#include "registry/sqlite/model_store.h"
#include "runtime/sqlite/database.h"

/// A signed audit of many entries, for the benchmark of its check:
///   audit_writer DATABASE ENTRIES

namespace muster::registry {
namespace {

constexpr std::int64_t kInATransaction = 50'000;

Status Fill(const std::filesystem::path& file, std::int64_t entries) {
  const SigningKey key = SigningKey::Generate();
  MUSTER_RETURN_IF_ERROR(SqliteModelStore::Open(file, SystemClock(), key));
  MUSTER_ASSIGN_OR_RETURN(auto database, sqlite::Database::Open(file, {.full_sync = false}));
  AuditEntry entry;
  {
    auto head = database.Prepare("SELECT hash FROM audit_head");
    MUSTER_RETURN_IF_ERROR(head.Step());
    entry.hash = head.Text(0);
  }
  entry.actor = "muster";
  entry.action = "alias.promote";
  entry.model = "digits";
  entry.reason = "4 of 4 gates passed";
  entry.sequence = 2;
  while (entry.sequence <= entries) {
    MUSTER_RETURN_IF_ERROR(database.Transact([&]() -> Status {
      for (std::int64_t i = 0; i < kInATransaction && entry.sequence <= entries; ++i) {
        entry.time_ms = 1'700'000'000'000 + entry.sequence;
        entry.version = entry.sequence;
        entry.detail_json = R"({"alias":"champion","from":)" + std::to_string(entry.version - 1) +
                            R"(,"to":)" + std::to_string(entry.version) + "}";
        entry.previous_hash = entry.hash;
        entry.hash = AuditHash(entry);
        entry.signature = key.Sign(entry.hash);
        MUSTER_RETURN_IF_ERROR(
            database.Prepare("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
                .RunWith(entry.sequence, entry.time_ms, entry.actor, entry.action, entry.model,
                         entry.reason, entry.version, entry.detail_json, entry.previous_hash,
                         entry.hash, entry.signature));
        ++entry.sequence;
      }
      return database.Prepare("UPDATE audit_head SET count = ?, hash = ?")
          .RunWith(entry.sequence - 1, entry.hash);
    }));
  }
  return Ok();
}

}  // namespace
}  // namespace muster::registry

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: audit_writer DATABASE ENTRIES\n");
    return 2;
  }
  const muster::Status status = muster::registry::Fill(argv[1], std::strtoll(argv[2], nullptr, 10));
  if (status.ok()) return 0;
  std::fprintf(stderr, "audit_writer: %s\n", status.error().message.c_str());
  return 1;
}
