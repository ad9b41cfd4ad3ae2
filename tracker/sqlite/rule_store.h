#pragma once

#include <filesystem>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "runtime/sqlite/database.h"
#include "tracker/rule_store.h"

namespace muster::tracker {

/// Rules in a database of their own (rules.db), on one connection behind a mutex.
class SqliteRuleStore final : public RuleStore {
 public:
  /// Opens or creates.
  static Result<std::unique_ptr<SqliteRuleStore>> Open(const std::filesystem::path& file);

  Status Put(const Rule& rule) override;
  Status Delete(std::string_view name) override;
  Result<std::vector<Rule>> List() override;
  Result<std::optional<std::int64_t>> Claim(const Finding& finding) override;
  Status Settle(std::int64_t sequence, std::string_view outcome) override;
  Result<std::vector<RuleFiring>> Unsettled() override;
  Result<std::vector<RuleFiring>> Firings(std::string_view rule, std::int64_t limit) override;

 private:
  explicit SqliteRuleStore(sqlite::Database database) : db_(std::move(database)) {}
  /// `mutex_` is held.
  Status FindAnew(std::string_view rule);

  std::mutex mutex_;  ///< guards db_
  sqlite::Database db_;
};

}  // namespace muster::tracker
