#pragma once

#include <filesystem>
#include <map>
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
  Result<bool> Claim(const Firing& firing, const std::vector<Step>& steps,
                     const std::vector<std::string>& receipts) override;
  Status Update(const Firing& firing, const std::vector<Step>& steps) override;
  Result<std::vector<Firing>> Firings(std::string_view trigger, std::int64_t limit) override;
  Result<std::vector<Firing>> Open() override;
  Result<std::vector<Firing>> Related(const Firing& firing, std::int64_t since_unix) override;
  Result<Firing> FindBySweep(const SweepId& sweep) override;
  Result<std::vector<Step>> Steps(const SweepId& sweep) override;
  Result<std::int64_t> LastScheduled(std::string_view trigger) override;
  Result<std::map<std::string, std::string>> DataSeen(std::string_view trigger) override;
  Status SetDataSeen(std::string_view trigger, std::string_view role,
                     std::string_view digest) override;

 private:
  Status AddSteps(const SweepId& sweep, const std::vector<Step>& steps);
  explicit SqliteTriggerStore(sqlite::Database database) : db_(std::move(database)) {}

  std::mutex mutex_;  ///< guards db_
  sqlite::Database db_;
};

}  // namespace muster::registry
