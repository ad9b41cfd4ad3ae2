#pragma once

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "runtime/base/file.h"

/// A program that a test starts, as a user does, with its output in a file.

namespace muster::testing {

struct Ended {
  int code = -1;  ///< 128 + the signal that ended it
  std::string output;
};

inline pid_t StartProgram(std::vector<std::string> command, const std::filesystem::path& log) {
  const pid_t child = fork();
  if (child == 0) {
    const int fd = open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    dup2(fd, 1);
    dup2(fd, 2);
    std::vector<char*> argv;
    for (std::string& word : command) argv.push_back(word.data());
    argv.push_back(nullptr);
    execvp(argv[0], argv.data());
    _exit(127);
  }
  return child;
}

inline Ended WaitForProgram(pid_t child, const std::filesystem::path& log) {
  int status = 0;
  waitpid(child, &status, 0);
  Ended ended{.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status)};
  ended.output = ReadWholeFile(log).value();
  return ended;
}

}  // namespace muster::testing
