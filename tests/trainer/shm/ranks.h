#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <functional>
#include <string>
#include <vector>

/// Ranks as forked processes of a test. The test's own process must not have started threads.

namespace muster::trainer::shm {

/// Different in each test and each call.
inline std::string NewJobName() {
  static int calls = 0;
  return "test " + std::to_string(getpid()) + " " + std::to_string(++calls);
}

/// A process that runs `body` and ends; what that answers can be read here. Its failed expectations print
/// themselves and fail Wait.
class Child {
 public:
  explicit Child(const std::function<std::string()>& body) {
    std::array<int, 2> ends{};
    if (pipe(ends.data()) != 0) std::abort();
    fflush(nullptr);
    pid_ = fork();
    if (pid_ == 0) {
      close(ends[0]);
      alarm(60);  // a rank that hangs fails its test
      const std::string answer = body();
      fflush(nullptr);
      const bool said = write(ends[1], answer.data(), answer.size()) >= 0;
      _exit(said && !testing::Test::HasFailure() ? 0 : 1);
    }
    close(ends[1]);
    answer_end_ = ends[0];
  }
  Child(Child&& other) noexcept
      : pid_(std::exchange(other.pid_, 0)), answer_end_(std::exchange(other.answer_end_, -1)) {}
  Child& operator=(Child&&) = delete;
  ~Child() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
    if (answer_end_ >= 0) close(answer_end_);
  }

  [[nodiscard]] pid_t pid() const { return pid_; }
  void Signal(int signal) const { kill(pid_, signal); }
  /// Its answer, when it has ended.
  std::string Wait() {
    std::string answer;
    std::array<char, 4096> buffer{};
    for (ssize_t size = 0; (size = read(answer_end_, buffer.data(), buffer.size())) > 0;) {
      answer.append(buffer.data(), static_cast<std::size_t>(size));
    }
    int status = 0;
    waitpid(std::exchange(pid_, 0), &status, 0);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
      EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "status " << status;
    }
    return answer;
  }

 private:
  pid_t pid_;
  int answer_end_ = -1;
};

using RankBody = std::function<std::string(int rank)>;

inline std::vector<Child> StartRanks(int ranks, const RankBody& body) {
  std::vector<Child> children;
  children.reserve(static_cast<std::size_t>(ranks));
  for (int rank = 0; rank < ranks; ++rank) children.emplace_back([&] { return body(rank); });
  return children;
}

inline std::vector<std::string> RunRanks(int ranks, const RankBody& body) {
  auto children = StartRanks(ranks, body);
  std::vector<std::string> answers;
  for (Child& child : children) answers.push_back(child.Wait());
  return answers;
}

}  // namespace muster::trainer::shm
