#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "cluster/batch_system.h"
#include "cluster/slurm/command.h"

extern char** environ;

/// tests/support/slurm/lab.py for tests in C++: a real Slurm of a test's own.

namespace muster::tests {

class SlurmLab {
 public:
  using Environment = cluster::slurm::Environment;

  /// Empty, or why there can be none here.
  static std::string WhyNot(bool accounting = false) {
    std::vector<std::string> command{"python3", MUSTER_TEST_SLURM_LAB, "why-not"};
    if (accounting) command.emplace_back("--accounting=none");
    std::string said = Run(command, OwnEnvironment());
    return said.substr(0, said.find('\n'));
  }

  /// `settings` are options of lab.py: "--nodes=1".
  explicit SlurmLab(const std::vector<std::string>& settings = {}) {
    std::string name = "/tmp/muster-slurm-XXXXXX";
    folder_ = ::mkdtemp(name.data());
    environment_ = OwnEnvironment();
    environment_["SLURM_CONF"] = folder_ / "slurm.conf";
    std::vector<std::string> command{"python3", MUSTER_TEST_SLURM_LAB, "up", folder_,
                                     "--while=" + std::to_string(::getpid())};
    command.insert(command.end(), settings.begin(), settings.end());
    Run(command, environment_);
    std::filesystem::create_directory(folder_ / "jobs");
  }
  SlurmLab(const SlurmLab&) = delete;
  ~SlurmLab() { Do("down"); }

  [[nodiscard]] const Environment& environment() const { return environment_; }
  /// For jobs to write to.
  [[nodiscard]] std::filesystem::path jobs() const { return folder_ / "jobs"; }
  /// "kill", "start", "fail" or "heal", of "slurmctld", "n0", ...; "save".
  void Do(const std::string& what, const std::string& name = "") const {
    std::vector<std::string> command{"python3", MUSTER_TEST_SLURM_LAB, what, folder_};
    if (!name.empty()) command.push_back(name);
    Run(command, environment_);
  }
  /// One of Slurm's commands; its output.
  std::string Slurm(const std::vector<std::string>& command) const {
    return Run(command, environment_);
  }

  /// A file that a job writes, once it is there and ends in a line break.
  std::string AwaitFile(const std::string& name) const {
    std::string text;
    AwaitTrue(name, [&] {
      std::ifstream file(jobs() / name);
      text.assign(std::istreambuf_iterator<char>(file), {});
      return text.ends_with('\n');
    });
    return text;
  }
  static void AwaitTrue(const std::string& what, const std::function<bool()>& holds,
                        std::chrono::seconds most = std::chrono::seconds(40)) {
    const auto end = std::chrono::steady_clock::now() + most;
    while (!holds()) {
      if (std::chrono::steady_clock::now() > end) {
        ADD_FAILURE() << "waited " << most.count() << " s for " << what;
        return;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  }

 private:
  static Environment OwnEnvironment() {
    Environment own;
    for (char** entry = environ; *entry != nullptr; ++entry) {
      const std::string text = *entry;
      own.emplace(text.substr(0, text.find('=')), text.substr(text.find('=') + 1));
    }
    return own;
  }
  static std::string Run(const std::vector<std::string>& command, const Environment& environment) {
    const auto done =
        cluster::slurm::RunCommand({command, environment, "", std::chrono::milliseconds(120'000)});
    if (!done.ok()) {
      ADD_FAILURE() << done.error().message;
      return "";
    }
    EXPECT_EQ(done->exit_code, 0) << command[0] << " " << command[1] << ": " << done->err;
    return done->out;
  }

  std::filesystem::path folder_;
  Environment environment_;
};

/// The job of a task once it is in the state. One that never is fails the test and is empty.
inline cluster::Job AwaitJob(cluster::BatchSystem& system, const std::string& key, int task,
                             cluster::JobState state) {
  cluster::Job found;
  SlurmLab::AwaitTrue("job " + key + " " + std::to_string(task), [&] {
    const auto jobs = system.Find(key);
    if (!jobs.ok()) return false;
    for (const cluster::Job& job : *jobs) {
      if (job.key != key || job.task != task) continue;
      found = job;
      if (job.state == state) return true;
    }
    return false;
  });
  EXPECT_EQ(found.state, state) << key << " " << task << ": last seen " << found.words;
  return found;
}

}  // namespace muster::tests
