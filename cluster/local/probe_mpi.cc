#include "cluster/local/probe_mpi.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <utility>
#include <vector>

#include "cluster/local/contract.h"
#include "runtime/base/clock.h"
#include "runtime/base/file.h"
#include "runtime/base/random.h"

namespace muster::cluster::local {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

constexpr auto kCommandPatience = 10s;
constexpr int kLookMs = 20;
/// Where a rank of the hello finds its node's scratch folder; kNodeAddress is beside it.
constexpr const char* kHelloScratch = "MUSTER_HELLO_SCRATCH";

fs::path MakeScratch() {
  fs::path folder = fs::temp_directory_path() / ("muster-hello-" + RandomHex(8));
  std::error_code error;
  fs::create_directories(folder, error);
  return folder;
}

Environment EnvironmentOf(const MpiSide& side, const fs::path& scratch) {
  Environment environment = CleanEnvironment();
  environment.insert(side.marks.begin(), side.marks.end());
  environment[kNodeAddress] = side.address;
  environment[kHelloScratch] = scratch.string();
  AddMpiSettings(environment, side.self_executable, scratch, side.address);
  return environment;
}

/// What mpirun took along from its own node is not this one's.
void SettleHere() {
  const char* scratch = std::getenv(kHelloScratch);
  const char* address = std::getenv(kNodeAddress);
  if (scratch == nullptr || address == nullptr) return;  // both ranks are on one node
  for (const auto& [name, value] : MpiSettingsOfNode(scratch, address))
    ::setenv(name.c_str(), value.c_str(), 1);
}

}  // namespace

Ended RunCommand(std::vector<std::string> command, const Environment& environment,
                 const fs::path& scratch) {
  const fs::path out = scratch / "out";
  const auto pid = Spawn({.command = std::move(command),
                          .environment = environment,
                          .working_dir = scratch,
                          .out = out,
                          .err = out,
                          .own_group = true});
  if (!pid.ok()) return {.output = pid.error().message};
  const auto deadline = std::chrono::steady_clock::now() + kCommandPatience;
  int status = 0;
  pid_t ended = 0;
  while ((ended = waitpid(*pid, &status, WNOHANG)) == 0 &&
         std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(5ms);
  }
  Ended run;
  if (ended == 0) {
    kill(-*pid, SIGKILL);
    waitpid(*pid, &status, 0);
    run.output = "did not end in 10 s; ";
  } else if (WIFEXITED(status)) {
    run.code = WEXITSTATUS(status);
  }
  const auto text = ReadWholeFile(out);
  if (text.ok()) run.output += *text;
  std::error_code ignored;
  fs::remove(out, ignored);
  return run;
}

std::string FirstWords(const std::string& text) {
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string line = text.substr(begin, end - begin);
    if (line.find_first_not_of("- \t") != std::string::npos) return line;
    begin = end + 1;
  }
  return "no word";
}

Result<std::unique_ptr<DaemonForHello>> DaemonForHello::Open(const MpiSide& side,
                                                             const std::string& secret) {
  std::unique_ptr<DaemonForHello> made(new DaemonForHello);
  made->listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  sockaddr_in address{.sin_family = AF_INET};
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (inet_pton(AF_INET, side.address.c_str(), &address.sin_addr) != 1 || made->listener_ < 0 ||
      bind(made->listener_, generic, size) != 0 ||
      getsockname(made->listener_, generic, &size) != 0) {
    return IoError("listen on " + side.address, errno);
  }
  made->port_ = ntohs(address.sin_port);
  MUSTER_RETURN_IF_ERROR(made->starts_.Listen(made->listener_, secret));
  made->scratch_ = MakeScratch();
  made->thread_ = std::thread([raw = made.get(), side] { raw->Run(side); });
  return made;
}

DaemonForHello::~DaemonForHello() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
  if (listener_ >= 0) close(listener_);
  std::error_code ignored;
  if (!scratch_.empty()) fs::remove_all(scratch_, ignored);
}

void DaemonForHello::Run(const MpiSide& side) {
  int daemon = 0;
  while (!stopping_) {
    std::vector<pollfd> items;
    starts_.AddTo(items);
    poll(items.data(), items.size(), kLookMs);
    starts_.Serve(SystemClock().Now());
    if (auto command = starts_.Take()) {
      command->insert(0, "exec ");
      const auto pid = Spawn({.command = {"/bin/sh", "-c", *command},
                              .environment = EnvironmentOf(side, scratch_),
                              .working_dir = "/",
                              .out = scratch_ / "log",
                              .err = scratch_ / "log",
                              .own_group = true});
      if (!pid.ok()) starts_.Answer({.code = 1, .error = pid.error().message});
      daemon = pid.ok() ? *pid : 0;
    }
    int status = 0;
    if (daemon == 0 || waitpid(daemon, &status, WNOHANG) != daemon) continue;
    daemon = 0;
    std::string words;
    if (const auto log = ReadWholeFile(scratch_ / "log"); log.ok() && status != 0)
      words = FirstWords(*log);
    starts_.Answer({.code = DescribeEnd(0, status).code, .error = words});
  }
  if (daemon == 0) return;
  kill(-daemon, SIGKILL);
  waitpid(daemon, nullptr, 0);
}

Result<double> HelloAcross(const MpiSide& side, const std::string& there, int port,
                           const std::string& secret) {
  const fs::path scratch = MakeScratch();
  Environment environment = EnvironmentOf(side, scratch);
  // All that `muster remote-start` reads of an attempt.
  const auto home_id = environment.try_emplace("MUSTER_HOME_ID", "hello").first->second;
  const AttemptFolder folder(scratch / scratch.filename(), home_id);
  std::error_code error;
  fs::create_directory(folder.path(), error);
  environment[kAttemptDir] = folder.path().string();
  Status written = folder.MakeRun();
  if (written.ok()) written = folder.WritePrepare({.start_secret = secret});
  if (written.ok()) written = folder.WriteGang({{side.address, 0, 1}, {there, port, 1}});
  Ended hello{.code = -1, .output = written.ok() ? "" : written.error().message};
  const auto begun = std::chrono::steady_clock::now();
  if (written.ok()) {
    hello = RunCommand({"mpirun", "-np", "2", "--oversubscribe", "--bind-to", "none", "--stdin",
                        "none", "--host", "localhost:1," + HostOf(1) + ":1", "--map-by", "slot",
                        side.self_executable.string(), "probe", "mpi"},
                       environment, scratch);
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
  fs::remove_all(folder.run(), error);
  fs::remove_all(scratch, error);
  if (hello.code != 0) return Unavailable(FirstWords(hello.output));
  return took.count();
}

int MpiHello() {
  SettleHere();
  // Not linked: muster itself needs no MPI. Open MPI's handles are addresses of what its library exports.
  void* library = dlopen("libmpi.so.40", RTLD_NOW | RTLD_GLOBAL);
  const auto find = [library](const char* name) {
    return library == nullptr ? nullptr : dlsym(library, name);
  };
  auto* init = reinterpret_cast<int (*)(int*, char***)>(find("MPI_Init"));
  auto* reduce = reinterpret_cast<int (*)(const void*, void*, int, void*, void*, void*)>(
      find("MPI_Allreduce"));
  auto* finalize = reinterpret_cast<int (*)()>(find("MPI_Finalize"));
  void *world = find("ompi_mpi_comm_world"), *whole = find("ompi_mpi_int"),
       *sum = find("ompi_mpi_op_sum");
  if (init == nullptr || reduce == nullptr || finalize == nullptr || world == nullptr ||
      whole == nullptr || sum == nullptr) {
    std::fprintf(stderr, "Open MPI's library libmpi.so.40 is not there or lacks something\n");
    return 1;
  }
  int one = 1, ranks = 0;
  if (init(nullptr, nullptr) != 0 || reduce(&one, &ranks, 1, whole, sum, world) != 0 ||
      finalize() != 0) {
    std::fprintf(stderr, "MPI_Init, MPI_Allreduce or MPI_Finalize failed\n");
    return 1;
  }
  if (ranks == 2) return 0;
  std::fprintf(stderr, "%d ranks met; wanted 2\n", ranks);
  return 1;
}

}  // namespace muster::cluster::local
