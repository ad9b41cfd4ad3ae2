#include "runtime/server/program_exporter.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "runtime/base/file.h"
#include "runtime/wire/codec.h"

extern char** environ;

namespace muster::server {
namespace {

constexpr std::size_t kMostShown = 600;

/// The end of what the program said, for the error's sentence.
std::string LastWords(const std::filesystem::path& log) {
  auto text = ReadWholeFile(log);
  if (!text.ok()) return {};
  while (!text->empty() && text->back() == '\n') text->pop_back();
  return text->size() > kMostShown ? "..." + text->substr(text->size() - kMostShown) : *text;
}

}  // namespace

ProgramExporter::ProgramExporter(Options options)
    : options_(std::move(options)), stop_fd_(eventfd(0, EFD_CLOEXEC)) {}

ProgramExporter::~ProgramExporter() {
  if (stop_fd_ >= 0) close(stop_fd_);
}

void ProgramExporter::Stop() {
  stopped_ = true;
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = write(stop_fd_, &one, sizeof one);
}

/// Waits for the child; nullopt when it outlasted the deadline or a Stop and was killed.
std::optional<int> ProgramExporter::WaitFor(int child) const {
  const int fd = static_cast<int>(syscall(SYS_pidfd_open, child, 0));
  std::array<pollfd, 2> items{{{.fd = fd, .events = POLLIN}, {.fd = stop_fd_, .events = POLLIN}}};
  const std::chrono::milliseconds timeout(options_.timeout);
  const bool ended = fd >= 0 &&
                     poll(items.data(), items.size(), static_cast<int>(timeout.count())) > 0 &&
                     items[0].revents != 0;
  if (!ended) kill(child, SIGKILL);
  if (fd >= 0) close(fd);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!ended) return std::nullopt;
  return status;
}

Status ProgramExporter::Export(const registry::ExportRequest& request) {
  if (stopped_) return Unavailable("the server is stopping");
  const auto program = options_.bin_dir / request.program;
  if (!std::filesystem::exists(program)) {
    return Invalid("trial program '" + request.program + "' is not in " +
                   options_.bin_dir.string());
  }
  boost::json::object data;
  for (const auto& [role, path] : request.data) data[role] = path;
  const auto params_file = request.out_dir / "params.json";
  MUSTER_RETURN_IF_ERROR(WriteFileAtomically(
      params_file, wire::SerializeJson(boost::json::object{{"params", request.params},
                                                           {"data", std::move(data)}})));

  std::vector<std::string> words{program,        "--export",         request.out_dir,
                                 "--checkpoint", request.checkpoint, "--params",
                                 params_file};
  for (const auto& segment : request.segments) words.insert(words.end(), {"--segments", segment});
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (auto& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const auto log = request.out_dir / "export.log";
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, log.c_str(),
                                   O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0644);
  posix_spawn_file_actions_adddup2(&files, STDOUT_FILENO, STDERR_FILENO);
  pid_t child = 0;
  const int failure =
      posix_spawn(&child, program.c_str(), &files, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  if (failure != 0) return IoError(program.string() + " cannot be started", failure);

  const auto status = WaitFor(child);
  if (!status && stopped_) {
    return Unavailable(request.program + " --export was ended: the server is stopping");
  }
  if (!status) {
    return Unavailable(request.program + " --export took longer than " +
                       std::to_string(options_.timeout.count()) + " s and was killed");
  }
  if (WIFEXITED(*status) && WEXITSTATUS(*status) == 0) return Ok();
  const std::string how = WIFEXITED(*status)
                              ? "exit " + std::to_string(WEXITSTATUS(*status))
                              : "killed by signal " + std::to_string(WTERMSIG(*status));
  const std::string sentence =
      request.program + " --export failed (" + how + "): " + LastWords(log);
  // That somebody ended it says nothing about the model, so it is worth trying again; a crash is its own.
  const bool by_another =
      WIFSIGNALED(*status) && (WTERMSIG(*status) == SIGKILL || WTERMSIG(*status) == SIGTERM);
  return by_another ? Unavailable(sentence) : Invalid(sentence);
}

}  // namespace muster::server
