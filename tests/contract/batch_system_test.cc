#include "cluster/batch_system.h"

#include <gmock/gmock.h>

#include <memory>

#include "cluster/memory_batch_system.h"
#include "cluster/slurm/slurm_batch_system.h"
#include "tests/support/slurm/slurm_lab.h"

namespace muster::cluster {
namespace {

using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;

/// A system with two nodes of 4 CPUs and 2 GPUs, and jobs that end when they are told to.
class World {
 public:
  virtual ~World() = default;
  virtual BatchSystem& system() = 0;
  virtual JobRequest Request(const std::string& key) = 0;
  virtual void Finish(const Job& job, int exit_code) = 0;
};

class MemoryWorld final : public World {
 public:
  BatchSystem& system() override { return system_; }
  JobRequest Request(const std::string& key) override {
    return {.key = key, .name = "contract", .command = {"work"}, .log_dir = "/logs"};
  }
  void Finish(const Job& job, int exit_code) override { system_.Finish(job.id, exit_code); }

 private:
  MemoryBatchSystem system_{{.nodes = 2, .cpus_per_node = 4, .gpus_per_node = 2}};
};

class SlurmWorld final : public World {
 public:
  BatchSystem& system() override { return system_; }
  JobRequest Request(const std::string& key) override {
    const std::string file = lab_.jobs() / (key + ".{task}");
    return {
        .key = key,
        .name = "contract",
        .memory_bytes_per_node = 100 << 20,
        .command = {"sh", "-c",
                    "while [ ! -s " + file + " ]; do sleep 0.1; done; exit $(cat " + file + ")"},
        .log_dir = lab_.jobs()};
  }
  void Finish(const Job& job, int exit_code) override {
    std::ofstream(lab_.jobs() / (job.key + "." + std::to_string(job.task))) << exit_code << "\n";
  }

 private:
  tests::SlurmLab lab_;
  slurm::SlurmBatchSystem system_{{}, {.environment = lab_.environment()}};
};

template <typename T>
class BatchSystemContract : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (!std::is_same_v<T, SlurmWorld> || tests::SlurmLab::WhyNot().empty())
      world_ = std::make_unique<T>();
  }
  static void TearDownTestSuite() { world_.reset(); }
  void SetUp() override {
    if (!world_) GTEST_SKIP() << tests::SlurmLab::WhyNot();
  }
  BatchSystem& system() { return world_->system(); }
  std::string Submit(const JobRequest& request) {
    const auto id = system().Submit(request);
    EXPECT_TRUE(id.ok()) << id.error().message;
    return id.ok() ? *id : "";
  }
  std::vector<Job> Find(const std::string& prefix) {
    auto jobs = system().Find(prefix);
    EXPECT_TRUE(jobs.ok()) << jobs.error().message;
    return jobs.ok() ? *jobs : std::vector<Job>();
  }
  void Cancel(const std::vector<JobRef>& jobs) {
    const Status status = system().Cancel(jobs);
    EXPECT_TRUE(status.ok()) << status.error().message;
  }
  Job Await(const std::string& key, int task, JobState state) {
    return tests::AwaitJob(system(), key, task, state);
  }

  static inline std::unique_ptr<World> world_;
};

using Worlds = testing::Types<MemoryWorld, SlurmWorld>;
TYPED_TEST_SUITE(BatchSystemContract, Worlds);

TYPED_TEST(BatchSystemContract, Job_RunsAndEndsAsItsCommandDoes) {
  JobRequest good = this->world_->Request("end:good");
  good.time_seconds = 600;
  const JobRequest bad = this->world_->Request("end:bad");
  ASSERT_TRUE(this->system().Check(good).ok());
  const std::string id = this->Submit(good);
  this->Submit(bad);
  const Job running = this->Await("end:good", 0, JobState::kRunning);
  EXPECT_EQ(running.id, id);
  EXPECT_EQ(running.restarts, 0);
  EXPECT_TRUE(running.ends_by.has_value());
  this->world_->Finish(running, 0);
  this->world_->Finish(this->Await("end:bad", 0, JobState::kRunning), 3);
  const Job ended = this->Await("end:good", 0, JobState::kEnded);
  EXPECT_FALSE(ended.failed) << ended.words;
  EXPECT_FALSE(ended.ends_by.has_value());
  const Job failed = this->Await("end:bad", 0, JobState::kEnded);
  EXPECT_TRUE(failed.failed);
  EXPECT_THAT(failed.words, testing::HasSubstr("exit 3"));
}

TYPED_TEST(BatchSystemContract, Array_IsFoundTaskByTask) {
  JobRequest request = this->world_->Request("array");
  request.first_task = 5;
  request.count = 3;
  this->Submit(request);
  std::vector<int> tasks;
  for (const Job& job : this->Find("array")) tasks.push_back(job.task);
  EXPECT_THAT(tasks, UnorderedElementsAre(5, 6, 7));
  this->world_->Finish(this->Await("array", 6, JobState::kRunning), 0);
  EXPECT_FALSE(this->Await("array", 6, JobState::kEnded).failed);
  EXPECT_NE(this->Await("array", 7, JobState::kRunning).id,
            this->Await("array", 5, JobState::kRunning).id);
  std::vector<JobRef> rest;
  for (const Job& job : this->Find("array")) rest.push_back({job.id, job.key});
  this->Cancel(rest);
  this->Await("array", 5, JobState::kEnded);
  this->Await("array", 7, JobState::kEnded);
}

TYPED_TEST(BatchSystemContract, Find_ByPrefix_LeavesOthersOut) {
  for (const char* key : {"prefix.a:1", "prefix.a:2", "prefix.b:1"})
    this->Submit(this->world_->Request(key));
  EXPECT_THAT(this->Find("prefix.a:"), SizeIs(2));
  EXPECT_THAT(this->Find("prefix."), SizeIs(3));
  EXPECT_THAT(this->Find("prefix.c"), IsEmpty());
  for (const Job& job : this->Find("prefix.")) this->Cancel({{job.id, job.key}});
}

TYPED_TEST(BatchSystemContract, Cancel_EndsWaitingAndRunning_AndNothingElse) {
  JobRequest whole = this->world_->Request("cancel:runs");
  whole.nodes = 2;
  whole.cpus_per_node = 4;
  const std::string runs = this->Submit(whole);
  this->Await("cancel:runs", 0, JobState::kRunning);
  JobRequest next = whole;
  next.key = "cancel:waits";
  next.command = this->world_->Request(next.key).command;
  const std::string waits = this->Submit(next);
  EXPECT_FALSE(this->Await("cancel:waits", 0, JobState::kWaiting).ends_by.has_value());

  this->Cancel({{runs, "cancel:another"}, {"4000000", "cancel:none"}});
  EXPECT_EQ(this->Await("cancel:runs", 0, JobState::kRunning).state, JobState::kRunning)
      << "the id is not that of the key";
  this->Cancel({{waits, "cancel:waits"}, {runs, "cancel:runs"}});
  EXPECT_TRUE(this->Await("cancel:waits", 0, JobState::kEnded).failed);
  EXPECT_TRUE(this->Await("cancel:runs", 0, JobState::kEnded).failed);
  this->Cancel({{runs, "cancel:runs"}});  // it has ended
}

TYPED_TEST(BatchSystemContract, Request_ThatNeverFits_IsRefusedForGood) {
  std::vector<std::pair<std::string, JobRequest>> cases;
  const auto add = [&](const char* what, auto change) {
    JobRequest request = this->world_->Request("never");
    change(request);
    cases.emplace_back(what, request);
  };
  add("nodes", [](JobRequest& request) { request.nodes = 3; });
  add("CPUs", [](JobRequest& request) { request.cpus_per_node = 5; });
  add("GPUs", [](JobRequest& request) { request.gpus_per_node = 3; });
  add("memory", [](JobRequest& request) { request.memory_bytes_per_node = 1LL << 40; });
  add("no key", [](JobRequest& request) { request.key = ""; });
  add("key", [](JobRequest& request) { request.key = "a/b"; });
  add("count", [](JobRequest& request) { request.count = 0; });
  add("command", [](JobRequest& request) { request.command.clear(); });
  add("log_dir", [](JobRequest& request) { request.log_dir = "logs"; });
  for (const auto& [what, request] : cases) {
    const Status status = this->system().Check(request);
    ASSERT_FALSE(status.ok()) << what;
    EXPECT_EQ(status.error().kind, ErrorKind::kInvalid) << what << ": " << status.error().message;
  }
  EXPECT_THAT(this->Find("never"), IsEmpty());
}

TYPED_TEST(BatchSystemContract, Usage_OfWhatIsNotKnown_IsEmpty) {
  const auto usage = this->system().Usage({{"4000000", "usage:none"}});
  ASSERT_TRUE(usage.ok()) << usage.error().message;
  const JobUsage& one = usage->at(0);
  EXPECT_FALSE(one.cpu_seconds || one.gpu_seconds || one.joules);
}

}  // namespace
}  // namespace muster::cluster
