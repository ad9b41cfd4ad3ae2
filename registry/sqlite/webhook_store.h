#pragma once

#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "registry/webhook.h"
#include "runtime/base/clock.h"
#include "runtime/sqlite/database.h"

namespace muster::registry {

/// Web hooks and deliveries in registry.db, on a connection of their own behind a mutex. Secrets lie there as they
/// are: the file is as secret as they.
class SqliteWebhookStore final : public WebhookStore {
 public:
  /// Opens or creates. `clock` must outlive the store.
  static Result<std::unique_ptr<SqliteWebhookStore>> Open(const std::filesystem::path& file,
                                                          const Clock& clock);

  Result<Webhook> Create(const Webhook& webhook) override;
  Result<Webhook> Get(std::string_view id) override;
  Result<std::vector<Webhook>> List(std::int64_t offset, std::int64_t limit) override;
  Result<Webhook> Update(std::string_view id, const WebhookUpdate& update) override;
  Status Delete(std::string_view id) override;

  Result<std::int64_t> Enqueue(const Notice& notice) override;
  Status EnqueueFor(std::string_view id, const Notice& notice) override;
  Result<std::vector<Delivery>> Heads() override;
  Status Retry(std::int64_t sequence, std::int64_t tries, std::int64_t next_ms) override;
  Status Remove(std::int64_t sequence) override;

 private:
  SqliteWebhookStore(sqlite::Database database, const Clock& clock)
      : db_(std::move(database)), clock_(clock) {}

  // All below: `mutex_` is held.
  Result<Webhook> Load(std::string_view id);
  /// False when too many wait for it already.
  Result<bool> Insert(std::string_view webhook_id, const Notice& notice);

  std::mutex mutex_;  ///< guards db_
  sqlite::Database db_;
  const Clock& clock_;
};

}  // namespace muster::registry
