#pragma once

#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "registry/trigger.h"
#include "runtime/sqlite/database.h"

namespace muster::registry {

/// Triggers and firings in registry.db, on a connection of their own behind a mutex.
class SqliteTriggerStore final : public TriggerStore {
 public:
  static Result<std::unique_ptr<SqliteTriggerStore>> Open(const std::filesystem::path& file);

  Status Put(const Trigger& trigger) override;
  Result<Trigger> Get(std::string_view name) override;
  Result<std::vector<Trigger>> List() override;
  Status Delete(std::string_view name) override;
  Result<bool> Claim(const Firing& firing) override;
  Status Update(const Firing& firing) override;
  Result<std::vector<Firing>> Firings(std::string_view trigger, std::int64_t limit) override;
  Result<std::vector<Firing>> Claimed() override;
  Result<Firing> FindBySweep(const SweepId& sweep) override;
  Result<std::int64_t> LastScheduled(std::string_view trigger) override;

 private:
  explicit SqliteTriggerStore(sqlite::Database database) : db_(std::move(database)) {}

  std::mutex mutex_;  ///< guards db_
  sqlite::Database db_;
};

}  // namespace muster::registry
