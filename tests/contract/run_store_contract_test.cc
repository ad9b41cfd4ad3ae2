#include "tests/contract/run_store_contract.h"

#include "tracker/memory_run_store.h"
#include "tracker/sqlite/run_store.h"

namespace muster::tracker {
namespace {

std::unique_ptr<RunStore> MakeMemory(const Clock& clock, const std::filesystem::path&) {
  return std::make_unique<MemoryRunStore>(clock);
}

std::unique_ptr<RunStore> MakeSqlite(const Clock& clock, const std::filesystem::path& folder) {
  return OpenSqliteRunStore(folder / "tracker.db", clock).value();
}

INSTANTIATE_TEST_SUITE_P(Memory, RunStoreContract, testing::Values(RunStoreMaker{MakeMemory}));
INSTANTIATE_TEST_SUITE_P(Sqlite, RunStoreContract,
                         testing::Values(RunStoreMaker{MakeSqlite, true}));

}  // namespace
}  // namespace muster::tracker
