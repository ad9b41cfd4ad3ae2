#include "runtime/cli/git_state.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <vector>

#include "runtime/base/sha256.h"
#include "runtime/base/utf8.h"

extern char** environ;

namespace muster::cli {
namespace {

/// What `git -C folder ...` prints; nothing when it fails.
std::optional<std::string> Git(const std::filesystem::path& folder,
                               std::vector<std::string> arguments) {
  std::vector<std::string> words = {"git", "-C", folder};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);

  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return std::nullopt;
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&files, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t child = 0;
  const int failure = posix_spawnp(&child, "git", &files, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  close(ends[1]);
  std::string text;
  std::array<char, 4096> buffer{};
  for (ssize_t got = 1; failure == 0 && got > 0;) {
    got = read(ends[0], buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR)
      got = 1;
    else if (got > 0)
      text.append(buffer.data(), static_cast<std::size_t>(got));
  }
  close(ends[0]);
  if (failure != 0) return std::nullopt;
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return std::nullopt;
  return text;
}

}  // namespace

std::optional<wire::CodeSpec> GitState(const std::filesystem::path& folder) {
  auto commit = Git(folder, {"rev-parse", "--verify", "HEAD"});
  if (!commit) return std::nullopt;
  while (commit->ends_with('\n')) commit->pop_back();
  wire::CodeSpec code{.commit = *commit};
  const auto status = Git(folder, {"status", "--porcelain"});
  code.dirty = !status || !status->empty();
  // What a person has configured to see differences with is not what `git apply` reads.
  auto diff = Git(folder, {"diff", "--binary", "--no-color", "--no-ext-diff", "HEAD"});
  if (!diff || diff->empty()) return code;
  code.diff_sha256 = Sha256Hex(*diff);
  if (diff->size() <= wire::kCodeDiffMax && ToUtf8(*diff) == *diff) code.diff = std::move(*diff);
  return code;
}

}  // namespace muster::cli
