#include "cluster/local/probe_node.h"

#include <dlfcn.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <thread>
#include <utility>

#include "cluster/local/contract.h"
#include "cluster/local/interfaces.h"
#include "cluster/local/nvml.h"
#include "cluster/local/spawn.h"
#include "runtime/base/clock.h"
#include "runtime/base/file.h"
#include "runtime/base/random.h"

namespace muster::cluster::local {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

constexpr auto kCommandPatience = 10s;

std::int64_t FreeBytes(const char* folder) {
  struct statvfs space{};
  if (statvfs(folder, &space) != 0) return 0;
  return static_cast<std::int64_t>(space.f_bavail * space.f_frsize);
}

std::int64_t LimitOf(__rlimit_resource resource) {
  rlimit limit{};
  if (getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return -1;
  return static_cast<std::int64_t>(limit.rlim_cur);
}

/// How a command ended, and what it wrote, both streams together. Its whole group is killed when it takes too long.
struct Run {
  int code = -1;  ///< exit code, or -1
  std::string output;
};
Run RunCommand(std::vector<std::string> command, const Environment& environment,
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
  Run run;
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

/// The first line that says something (Open MPI frames its words with rules of dashes).
std::string FirstWords(const std::string& text) {
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string line = text.substr(begin, end - begin);
    if (line.find_first_not_of("- \t") != std::string::npos) return line;
    begin = end + 1;
  }
  return "no word";
}

void SayHello(const ProbeNodeOptions& options, NodeFacts& facts) {
  const fs::path scratch = fs::temp_directory_path() / ("muster-hello-" + RandomHex(8));
  std::error_code error;
  fs::create_directories(scratch, error);
  Environment environment = CleanEnvironment();
  AddMpiSettings(environment, options.self_executable, scratch, "");
  const Run version = RunCommand({"mpirun", "--version"}, environment, scratch);
  if (version.code == 0) {
    facts.open_mpi = FirstWords(version.output);  // "mpirun (Open MPI) 4.1.4"
    const Run hello = RunCommand({"mpirun", "-np", "2", "--oversubscribe", "--bind-to", "none",
                                  options.self_executable.string(), "probe", "mpi"},
                                 environment, scratch);
    if (hello.code != 0) facts.mpi_error = FirstWords(hello.output);
  }
  fs::remove_all(scratch, error);
}

void SeeGpus(const std::string& library, NodeFacts& facts) {
  const auto nvml = Nvml::Open(library);
  if (nvml == nullptr) return;
  facts.gpu_driver = nvml->DriverVersion();
  for (std::size_t device = 0; device < nvml->devices(); ++device)
    facts.gpus.push_back(nvml->DeviceModel(device));
}

}  // namespace

NodeFacts LookAtNode(const ProbeNodeOptions& options, const ProbeFolder& folder) {
  NodeFacts facts{.node = options.node, .muster = options.muster, .address = options.address};
  facts.clock_ms = SystemClock().UnixNow();
  facts.folder = folder.Look(options.node);
  if (const auto interfaces = ListInterfaces(); interfaces.ok()) {
    const auto toward = InterfaceToward(*interfaces, options.address);
    if (toward) facts.interface = toward->name;
  }
  utsname kernel{};
  if (uname(&kernel) == 0) facts.kernel = kernel.release;
  facts.locked_bytes = LimitOf(RLIMIT_MEMLOCK);
  facts.open_files = LimitOf(RLIMIT_NOFILE);
  std::error_code error;
  facts.infiniband =
      fs::exists("/sys/class/infiniband", error) && !fs::is_empty("/sys/class/infiniband", error);
  facts.home_free_bytes = FreeBytes(".");  // the attempt's folder, in the agent's home
  facts.shm_free_bytes = FreeBytes("/dev/shm");
  SeeGpus(options.nvml, facts);
  SayHello(options, facts);
  facts.clock_end_ms = SystemClock().UnixNow();
  return facts;
}

int MpiHello() {
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
