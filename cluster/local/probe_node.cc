#include "cluster/local/probe_node.h"

#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>

#include <algorithm>
#include <utility>

#include "cluster/local/contract.h"
#include "cluster/local/interfaces.h"
#include "cluster/local/nvml.h"
#include "cluster/local/probe_mpi.h"
#include "cluster/local/spawn.h"
#include "runtime/base/clock.h"
#include "runtime/base/random.h"

namespace muster::cluster::local {
namespace {

namespace fs = std::filesystem;

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

void SayHello(const ProbeNodeOptions& options, NodeFacts& facts) {
  const fs::path scratch = fs::temp_directory_path() / ("muster-hello-" + RandomHex(8));
  std::error_code error;
  fs::create_directories(scratch, error);
  Environment environment = CleanEnvironment();
  AddMpiSettings(environment, options.self_executable, scratch, "");
  const Ended version = RunCommand({"mpirun", "--version"}, environment, scratch);
  if (version.code == 0) {
    facts.open_mpi = FirstWords(version.output);  // "mpirun (Open MPI) 4.1.4"
    const Ended hello = RunCommand({"mpirun", "-np", "2", "--oversubscribe", "--bind-to", "none",
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

}  // namespace muster::cluster::local
