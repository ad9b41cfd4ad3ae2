#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cluster/local/attempt_folder.h"
#include "cluster/local/processes.h"
#include "runtime/base/file.h"
#include "runtime/base/random.h"

namespace muster::cluster::local {

/// A process side on a folder of its own, and what came out of it. Every wait has a deadline.
class TestNode {
 public:
  TestNode() {
    char name[] = "/tmp/muster_node_XXXXXX";
    home_ = mkdtemp(name);
    Reopen();
  }
  virtual ~TestNode() {
    for (const AttemptEpoch epoch : made_) {
      Apply(agent::KillAttempt{.epoch = epoch});
      WaitFor<agent::SlotEmpty>(epoch);
      Apply(agent::ForgetAttempt{.epoch = epoch});
    }
    EXPECT_TRUE(ScanAttempts(home_id_)->empty());
    std::filesystem::remove_all(home_);
  }

  /// As an agent that starts anew.
  agent::FoundAtStart Reopen() {
    inputs_.clear();
    auto opened =
        Processes::Open({.attempts_dir = home_ / "attempts",
                         .self_executable = MUSTER_TEST_HELPER,
                         .bin_dir = std::filesystem::path(MUSTER_TEST_HELPER).parent_path(),
                         .home_id = home_id_,
                         .address = address_,
                         .slots = slots_,
                         .cgroup_root = cgroup_root_,
                         .gpu_library = gpu_library_});
    EXPECT_TRUE(opened.ok()) << opened.error().message;
    processes_ = std::move(opened).value();
    return processes_->Find();
  }

  void Apply(const agent::Effect& effect) { processes_->Apply(effect); }

  void Pump(int wait_ms = 10) {
    pollfd item{.fd = processes_->fd(), .events = POLLIN};
    poll(&item, 1, wait_ms);
    for (auto& input : processes_->Poll(SystemClock().Now())) inputs_.push_back(std::move(input));
  }

  bool WaitUntil(const std::function<bool()>& done) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!done()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      Pump();
      if (beside_ != nullptr) beside_->Pump(0);
    }
    return true;
  }

  /// All inputs of one kind about one attempt, so far.
  template <typename T>
  std::vector<T> Seen(AttemptEpoch epoch) const {
    std::vector<T> seen;
    for (const auto& input : inputs_) {
      const auto* one = std::get_if<T>(&input);
      if (one != nullptr && one->epoch == epoch) seen.push_back(*one);
    }
    return seen;
  }
  /// The first input of that kind; a default one (epoch 0) after the deadline.
  template <typename T>
  T WaitFor(AttemptEpoch epoch) {
    EXPECT_TRUE(WaitUntil([&] { return !Seen<T>(epoch).empty(); }))
        << "no such input of attempt " << epoch.value;
    const auto seen = Seen<T>(epoch);
    return seen.empty() ? T{} : seen.front();
  }

  wire::Prepare PrepareOf(std::int64_t epoch, std::vector<std::string> command, int ranks = 1) {
    return {.epoch = AttemptEpoch(epoch),
            .trial = TrialId("sweep/0"),
            .run = RunId(std::string(32, 'a')),
            .command = std::move(command),
            .params_json = R"({"lr":0.1})",
            .checkpoint_dir = (home_ / "checkpoints").string(),
            .ranks = ranks,
            .cpus_per_rank = 1,
            .slots = {0}};
  }
  void Prepare(const wire::Prepare& prepare) {
    made_.push_back(prepare.epoch);
    Apply(agent::MakeAttempt{.prepare = prepare});
  }
  /// Prepare, and Go once it is ready.
  void Start(const wire::Prepare& prepare) {
    Prepare(prepare);
    const auto ready = WaitFor<agent::ShimReady>(prepare.epoch);
    Apply(agent::StartRanks{.go = {.epoch = prepare.epoch,
                                   .master_address = ready.address,
                                   .master_port = ready.port}});
  }
  /// How the ranks ended, in order, as "rank: text"; waits for all of them.
  std::vector<std::string> Ends(AttemptEpoch epoch) {
    EXPECT_TRUE(WaitUntil([&] {
      const auto seen = Seen<agent::RanksExited>(epoch);
      return !seen.empty() && seen.back().all;
    }));
    std::vector<std::string> ends;
    for (const auto& exited : Seen<agent::RanksExited>(epoch)) {
      for (const auto& rank : exited.ranks)
        ends.push_back(std::to_string(rank.exit.rank) + ": " + rank.exit.text);
    }
    return ends;
  }
  [[nodiscard]] AttemptFolder FolderOf(AttemptEpoch epoch) const {
    return {home_ / "attempts" / std::to_string(epoch.value), home_id_};
  }
  std::string Output(AttemptEpoch epoch, int rank, const std::string& stream) {
    return ReadWholeFile(FolderOf(epoch).output(rank, stream)).value();
  }
  [[nodiscard]] std::uintmax_t FileSize(AttemptEpoch epoch, const std::string& stream) const {
    std::error_code error;
    const auto size = std::filesystem::file_size(FolderOf(epoch).output(0, stream), error);
    return error ? 0 : size;
  }
  [[nodiscard]] std::string helper() const { return MUSTER_TEST_HELPER; }

  std::string address_;  ///< as ProcessesOptions has them
  int slots_ = 0;
  std::filesystem::path home_;
  std::filesystem::path cgroup_root_ = "/sys/fs/cgroup";
  std::string gpu_library_ = MUSTER_TEST_NVML;
  const std::string home_id_ = "test-" + RandomHex(4);
  std::unique_ptr<Processes> processes_;
  std::vector<agent::Input> inputs_;
  std::vector<AttemptEpoch> made_;
  TestNode* beside_ = nullptr;  ///< another one, which goes on while this one is waited for
};

class NodeFixture : public testing::Test, protected TestNode {};

}  // namespace muster::cluster::local
