#include "runtime/sim/journal.h"

#include <algorithm>
#include <utility>

#include "runtime/base/check.h"
#include "runtime/sim/tables_check.h"

namespace muster::sim {
namespace {

constexpr const char* kFile = "/coordinator.db";

std::string TextOf(const coordinator::Event& event) {
  return std::to_string(event.unix_ms) + " " + std::string(coordinator::EventName(event.body)) +
         " " + coordinator::EncodeEvent(event.body);
}

std::vector<std::string> TextsOf(const std::vector<coordinator::Event>& events) {
  std::vector<std::string> texts;
  texts.reserve(events.size());
  for (const auto& event : events) texts.push_back(TextOf(event));
  return texts;
}

coordinator::State StateOf(const std::vector<coordinator::Event>& events) {
  coordinator::State state;
  for (const auto& event : events) coordinator::ApplyEvent(state, event);
  return state;
}

}  // namespace

std::unique_ptr<SimJournal> SimJournal::Make(World& world) {
  if (world.rates.real_disk) return std::make_unique<DiskSimJournal>(world);
  return std::make_unique<MemorySimJournal>(world);
}

// --- memory -----------------------------------------------------------------------------------------

void MemorySimJournal::Die(const std::vector<coordinator::Event>& writing, bool /*power*/) {
  // The disk may have finished what the process did not live to see.
  if (!writing.empty() && world_.random.Chance(0.5))
    MUSTER_CHECK(journal_.Append(writing).ok(), "the memory journal takes everything");
}

std::vector<coordinator::Event> MemorySimJournal::Events() {
  auto events = journal_.Load();
  MUSTER_CHECK(events.ok(), "the memory journal keeps what it is given");
  return std::move(events).value();
}

// --- SQLite -----------------------------------------------------------------------------------------

DiskSimJournal::DiskSimJournal(World& world)
    : world_(world), disk_(Random(world.random.Next())), vfs_(disk_) {
  // Checkpoints are rare in a short history; some seeds have one every few commits.
  constexpr int kPages[] = {4, 30, 1000};
  checkpoint_pages_ = kPages[world.random.Below(3)];
}

void DiskSimJournal::Weather() {
  const Micros now = world_.scheduler.now();
  if (world_.Fault(world_.rates.disk_full)) {
    lasts_until_ = now + world_.About(5 * kSecond);
    world_.Trace([] { return std::string("the coordinator's disk is full"); });
  }
  if (world_.bad && now < lasts_until_) {
    disk_.FailFrom(Disk::Failure::kFull, 1);
  } else if (world_.Fault(world_.rates.disk_error)) {
    constexpr Disk::Failure kFailures[] = {Disk::Failure::kWrite, Disk::Failure::kSync,
                                           Disk::Failure::kRead, Disk::Failure::kFull};
    disk_.FailFrom(kFailures[world_.random.Below(4)], 0.3);
  } else {
    disk_.Mend();
  }
}

Result<std::unique_ptr<journal::SqliteJournal>> DiskSimJournal::OpenOn(DiskVfs& vfs) const {
  const bool full_sync = world_.sabotage != Sabotage::kNoSync;
  MUSTER_ASSIGN_OR_RETURN(
      auto database,
      sqlite::Database::Open(kFile, {.full_sync = full_sync, .vfs = vfs.name().c_str()}));
  MUSTER_RETURN_IF_ERROR(
      database.Execute("PRAGMA wal_autocheckpoint=" + std::to_string(checkpoint_pages_)));
  return journal::SqliteJournal::Over(std::move(database));
}

Result<std::vector<coordinator::Event>> DiskSimJournal::Load() {
  disk_.Restart();
  Weather();
  if (world_.Fault(world_.rates.disk_error)) disk_.DieAfter(world_.Between(0, 20));
  auto opened = OpenOn(vfs_);
  Result<std::vector<coordinator::Event>> events =
      opened.ok() ? (*opened)->Load() : Result<std::vector<coordinator::Event>>(opened.error());
  const bool faulty = disk_.Failed();
  disk_.Mend();
  if (!events.ok()) {
    if (!faulty) world_.Violate("S1: the journal cannot be read: " + events.error().message);
    // A process that ends as it should closes its files, another does not.
    if (world_.random.Chance(0.5)) disk_.Kill();
    return events;
  }
  CheckKept(*events);
  book_ = TextsOf(*events);
  writing_.clear();
  open_ = std::move(opened).value();
  return events;
}

void DiskSimJournal::CheckKept(const std::vector<coordinator::Event>& loaded) {
  const std::vector<std::string> texts = TextsOf(loaded);
  const auto kept = std::ranges::mismatch(book_, texts);
  if (kept.in1 != book_.end()) {
    world_.Violate("S1: the disk has lost the acknowledged event " + *kept.in1 + ", and has " +
                   std::to_string(texts.size()) + " of at least " + std::to_string(book_.size()));
  } else if (kept.in2 != texts.end() &&
             !std::ranges::equal(kept.in2, texts.end(), writing_.begin(), writing_.end())) {
    world_.Violate("S9: the disk has a part of a transaction, or one that was never asked for: " +
                   *kept.in2);
  }
}

Status DiskSimJournal::Append(const std::vector<coordinator::Event>& events) {
  if (events.empty()) return Ok();
  Weather();
  const std::int64_t before = disk_.changes();
  Status status = open_->Append(events);
  const bool faulty = disk_.Failed();
  disk_.Mend();
  if (status.ok()) {
    commit_changes_ = disk_.changes() - before;
    for (std::string& text : TextsOf(events)) book_.push_back(std::move(text));
  } else {
    writing_ = TextsOf(events);
    if (!faulty) world_.Violate("S1: the journal refuses events: " + status.error().message);
  }
  return status;
}

void DiskSimJournal::Die(const std::vector<coordinator::Event>& writing, bool power) {
  if (!writing.empty() && open_ != nullptr) {
    disk_.DieAfter(world_.Between(0, commit_changes_ + 1));
    if (open_->Append(writing).ok()) {
      for (std::string& text : TextsOf(writing)) book_.push_back(std::move(text));
    } else {
      writing_ = TextsOf(writing);
    }
  }
  disk_.Kill();
  open_.reset();
  if (power) {
    world_.Trace([] { return std::string("the coordinator's machine loses power"); });
    disk_.LosePower();
  }
}

std::vector<coordinator::Event> DiskSimJournal::Events() {
  std::vector<coordinator::Event> events;
  for (const bool power : {true, false}) {
    Disk disk = disk_;
    disk.Kill();
    if (power) disk.LosePower();
    disk.Restart();
    DiskVfs vfs(disk);
    auto copy = OpenOn(vfs);
    auto loaded =
        copy.ok() ? (*copy)->Load() : Result<std::vector<coordinator::Event>>(copy.error());
    if (!loaded.ok()) {
      world_.Violate("S1: the journal cannot be read: " + loaded.error().message);
      return {};
    }
    CheckKept(*loaded);
    events = std::move(loaded).value();
    copy->reset();
    auto tables = sqlite::Database::Open(kFile, {.vfs = vfs.name().c_str()});
    MUSTER_CHECK(tables.ok(), "a journal that was read can be opened again");
    if (const std::string difference = CompareTables(*tables, StateOf(events)); !difference.empty())
      world_.Violate("S9: the tables are not what the events give: " + difference);
  }
  return events;
}

}  // namespace muster::sim
