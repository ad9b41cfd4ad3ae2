#pragma once

#include <gmock/gmock.h>

#include <memory>

#include "cluster/slurm/slurm_batch_system.h"
#include "tests/support/slurm/slurm_lab.h"

/// A Slurm for all tests of a program; each uses keys of its own.

namespace muster::cluster::slurm {

class SlurmTest : public testing::Test {
 protected:
  static void SetUpLab(const std::vector<std::string>& settings, bool accounting = false) {
    why_not_ = tests::SlurmLab::WhyNot(accounting);
    if (why_not_.empty()) lab_ = std::make_unique<tests::SlurmLab>(settings);
  }
  static void TearDownTestSuite() { lab_.reset(); }
  void SetUp() override {
    if (!lab_) GTEST_SKIP() << why_not_;
  }

  static bool has_lab() { return lab_ != nullptr; }
  static tests::SlurmLab& lab() { return *lab_; }
  static SlurmBatchSystem System(SlurmProfile profile = {}) {
    return {std::move(profile),
            {.environment = lab_->environment(),
             .submit_deadline = std::chrono::seconds(30),
             .query_deadline = std::chrono::seconds(30)}};
  }
  /// A small job that runs a shell's script in the folder of the lab's jobs.
  static JobRequest Script(const std::string& key, const std::string& script) {
    return {.key = key,
            .name = "test",
            .memory_bytes_per_node = 100 << 20,
            .command = {"sh", "-c", script},
            .log_dir = lab_->jobs()};
  }
  static std::string Submit(BatchSystem& system, const JobRequest& request) {
    const auto id = system.Submit(request);
    EXPECT_TRUE(id.ok()) << id.error().message;
    return id.ok() ? *id : "";
  }
  static void Cancel(BatchSystem& system, const std::string& prefix) {
    std::vector<JobRef> all;
    const auto jobs = system.Find(prefix);
    ASSERT_TRUE(jobs.ok()) << jobs.error().message;
    for (const Job& job : *jobs) all.push_back({job.id, job.key});
    const Status status = system.Cancel(all);
    EXPECT_TRUE(status.ok()) << status.error().message;
  }

 private:
  static inline std::unique_ptr<tests::SlurmLab> lab_;
  static inline std::string why_not_;
};

inline void ExpectRefused(const Status& status, ErrorKind kind, const std::string& says) {
  ASSERT_FALSE(status.ok()) << "wanted: " << says;
  EXPECT_EQ(status.error().kind, kind) << status.error().message;
  EXPECT_THAT(status.error().message, testing::HasSubstr(says));
}

template <typename T>
void ExpectRefused(const Result<T>& result, ErrorKind kind, const std::string& says) {
  ExpectRefused(result.ok() ? Status() : Status(result.error()), kind, says);
}

}  // namespace muster::cluster::slurm
