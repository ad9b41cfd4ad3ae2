#include "runtime/sim/disk.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "runtime/journal/sqlite_journal.h"
#include "runtime/sim/disk_vfs.h"

// The real journal on a disk that fails, and the disk itself.

namespace muster::sim {
namespace {

using coordinator::CoordinatorStarted;
using coordinator::Event;

constexpr const char* kFile = "/coordinator.db";

Result<std::unique_ptr<journal::SqliteJournal>> OpenJournal(DiskVfs& vfs, bool full_sync = true) {
  auto database =
      sqlite::Database::Open(kFile, {.full_sync = full_sync, .vfs = vfs.name().c_str()});
  if (!database.ok()) return database.error();
  return journal::SqliteJournal::Over(std::move(database).value());
}

Event Numbered(std::int64_t number) {
  return {number, CoordinatorStarted{CoordinatorEpoch(number)}};
}

/// The numbers of the events that a process finds that starts now.
std::vector<std::int64_t> Found(Disk& disk, DiskVfs& vfs) {
  disk.Restart();
  auto journal = OpenJournal(vfs);
  EXPECT_TRUE(journal.ok()) << (journal.ok() ? "" : journal.error().message);
  std::vector<std::int64_t> numbers;
  if (!journal.ok()) return numbers;
  const auto events = (*journal)->Load();
  EXPECT_TRUE(events.ok());
  for (const Event& event : *events) numbers.push_back(event.unix_ms);
  disk.Kill();
  return numbers;
}

TEST(DiskTest, PowerLoss_KeepsWhatWasSyncedAndWholeSectorsOfTheRest) {
  bool torn = false, lost = false, kept = false;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    Disk disk{Random(seed)};
    disk.Create("f");
    ASSERT_EQ(disk.Write("f", 0, std::string(2048, 'a')), Disk::Result::kOk);
    ASSERT_EQ(disk.Sync("f"), Disk::Result::kOk);
    ASSERT_EQ(disk.Write("f", 0, std::string(2048, 'b')), Disk::Result::kOk);
    disk.LosePower();
    std::string now(2048, ' ');
    std::int64_t got = 0;
    ASSERT_EQ(disk.Read("f", 0, now.data(), 2048, got), Disk::Result::kOk);
    ASSERT_EQ(got, 2048);
    int newer = 0;
    for (std::size_t sector = 0; sector < 4; ++sector) {
      const std::string one = now.substr(sector * 512, 512);
      ASSERT_TRUE(one == std::string(512, 'a') || one == std::string(512, 'b'));
      newer += one[0] == 'b' ? 1 : 0;
    }
    lost = lost || newer == 0;
    kept = kept || newer == 4;
    torn = torn || (newer > 0 && newer < 4);
  }
  EXPECT_TRUE(torn && lost && kept);
}

TEST(DiskTest, NewFile_IsThereAfterAPowerLossOnceItWasSynced) {
  Disk disk{Random(3)};
  disk.Create("synced");
  ASSERT_EQ(disk.Write("synced", 0, "x"), Disk::Result::kOk);
  ASSERT_EQ(disk.Sync("synced"), Disk::Result::kOk);
  int seen = 0;
  for (int name = 0; name < 20; ++name) disk.Create("new" + std::to_string(name));
  disk.LosePower();
  EXPECT_TRUE(disk.Exists("synced"));
  for (int name = 0; name < 20; ++name) seen += disk.Exists("new" + std::to_string(name)) ? 1 : 0;
  EXPECT_LT(seen, 20);
}

TEST(DiskTest, JournalKilledAtEveryChangeOfACommit_HasAllOfItOrNothing) {
  for (const bool power : {false, true}) {
    bool whole = false, nothing = false;
    for (std::int64_t after = 0; after < 40; ++after) {
      Disk disk{Random(static_cast<std::uint64_t>(after))};
      DiskVfs vfs(disk);
      {
        auto journal = OpenJournal(vfs);
        ASSERT_TRUE(journal.ok()) << journal.error().message;
        ASSERT_TRUE((*journal)->Append({Numbered(1), Numbered(2)}).ok());
        disk.DieAfter(after);
        const bool acknowledged = (*journal)->Append({Numbered(3), Numbered(4)}).ok();
        disk.Kill();
        journal->reset();
        if (power) disk.LosePower();
        const auto found = Found(disk, vfs);
        const std::vector<std::int64_t> all = {1, 2, 3, 4}, old = {1, 2};
        ASSERT_TRUE(found == all || (found == old && !acknowledged)) << after << " changes";
        whole = whole || found == all;
        nothing = nothing || found == old;
      }
    }
    EXPECT_TRUE(whole && nothing);
  }
}

TEST(DiskTest, JournalOnAFullDisk_SaysSoAndGoesOnWhenThereIsRoom) {
  Disk disk{Random(1)};
  DiskVfs vfs(disk);
  auto journal = OpenJournal(vfs);
  ASSERT_TRUE((*journal)->Append({Numbered(1)}).ok());
  disk.FailFrom(Disk::Failure::kFull, 1);
  const Status full = (*journal)->Append({Numbered(2)});
  ASSERT_FALSE(full.ok());
  EXPECT_EQ(full.error().kind, ErrorKind::kResource);
  disk.Mend();
  ASSERT_TRUE((*journal)->Append({Numbered(3)}).ok());
  journal->reset();
  EXPECT_EQ(Found(disk, vfs), (std::vector<std::int64_t>{1, 3}));
}

TEST(DiskTest, JournalThatCannotBeRead_IsAnError) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    Disk disk{Random(seed)};
    DiskVfs vfs(disk);
    auto journal = OpenJournal(vfs);
    ASSERT_TRUE((*journal)->Append({Numbered(1)}).ok());
    disk.Kill();
    journal->reset();
    disk.Restart();
    disk.FailFrom(Disk::Failure::kRead, 0.2);
    journal = OpenJournal(vfs);
    if (journal.ok()) (void)(*journal)->Load();  // no abort, whatever fails
    disk.Mend();
    disk.Kill();
  }
}

TEST(DiskTest, SyncThatFailedAndWasForgotten_LosesNothingThatIsAcknowledgedLater) {
  // The kernel says once that it could not write, drops the pages' dirty marks, and says "done" to the
  // next sync; the process that was told has ended, its successor reads the pages from the cache.
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    Disk disk{Random(seed)};
    DiskVfs vfs(disk);
    auto journal = OpenJournal(vfs);
    ASSERT_TRUE((*journal)->Append({Numbered(1)}).ok());
    disk.FailFrom(Disk::Failure::kSync, 1);
    ASSERT_FALSE((*journal)->Append({Numbered(2)}).ok());
    disk.Mend();
    disk.Kill();
    journal->reset();
    disk.Restart();
    journal = OpenJournal(vfs);
    ASSERT_TRUE(journal.ok());
    ASSERT_TRUE((*journal)->Append({Numbered(3)}).ok());
    disk.Kill();
    journal->reset();
    disk.LosePower();
    const auto found = Found(disk, vfs);
    ASSERT_FALSE(found.empty()) << "seed " << seed;
    EXPECT_EQ(found.front(), 1) << "seed " << seed;
    EXPECT_EQ(found.back(), 3) << "seed " << seed;
  }
}

}  // namespace
}  // namespace muster::sim
