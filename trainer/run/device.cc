#include "trainer/run/device.h"

#include <ATen/Context.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <torch/csrc/distributed/c10d/Backend.hpp>

#include "runtime/base/log.h"
#include "runtime/modules/module.h"
#include "trainer/cuda/module.h"
#include "trainer/mpi/backend.h"
#include "trainer/peers/link.h"
#include "trainer/shm/join.h"
#include "trainer/shm/staged_backend.h"

namespace muster::trainer::run {
namespace {

using cuda::CudaModule;
using Backend = c10::intrusive_ptr<c10d::Backend>;

/// Without loading a library to ask.
bool SeesGpu() {
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  return std::filesystem::exists("/dev/nvidiactl") && (visible == nullptr || *visible != '\0');
}

Result<const CudaModule*> LoadModule() {
  std::error_code error;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
  return modules::Load<CudaModule>(program.parent_path());
}

/// Leaves out what adds in the order in which a GPU's threads come. A kernel that has no other way is warned of by LibTorch,
/// once, in its own words.
void ComputeInFixedOrder() {
  // Wanted by LibTorch; what it takes on Hopper anyway.
  setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*overwrite=*/0);
  at::Context& context = at::globalContext();
  context.setDeterministicCuDNN(true);
  context.setDeterministicAlgorithms(true, /*warn_only=*/true);
  context.setDeterministicFillUninitializedMemory(false);  // that is for finding mistakes
}

Status CheckRank(const RankInfo& joined, const RankInfo& rank) {
  if (joined == rank) return Ok();
  return Conflict("the environment says rank " + std::to_string(rank.rank) + " of " +
                  std::to_string(rank.world_size) + ", MPI says " + std::to_string(joined.rank) +
                  " of " + std::to_string(joined.world_size));
}

bool OneMachine(const Options& options) { return options.job && options.job->one_machine; }

Result<Backend> JoinHosts(const Options& options, RankProgress& progress) {
  if (options.backend == "shm" || (options.backend != "mpi" && OneMachine(options))) {
    return shm::JoinMachine({.job = *options.job, .backend = {.progress = &progress}});
  }
  MUSTER_ASSIGN_OR_RETURN(auto backend, mpi::JoinWorld({.progress = &progress}));
  MUSTER_RETURN_IF_ERROR(
      CheckRank({.rank = backend->getRank(), .world_size = backend->getSize()}, options.rank));
  return backend;
}

/// Where rank 0 can be met, the same text on every rank: "ADDRESS PORT". The port was free a moment ago.
Result<std::string> MeetingPlace(const Options& options, const Gang& hosts) {
  std::string place;
  Status status;
  if (hosts.first()) {
    const auto listener = peers::Listen(OneMachine(options));
    if (listener.ok()) {
      const auto own = peers::OwnAddresses();
      const std::string address =
          OneMachine(options) ? "127.0.0.1" : (own.empty() ? peers::HostName() : own.front());
      place = address + " " + std::to_string(listener->port);
    } else {
      status = listener.error();
    }
  }
  MUSTER_RETURN_IF_ERROR(hosts.Share(status));
  return hosts.Broadcast(place);
}

Result<Backend> JoinNccl(const Options& options, const Accelerator& accelerator,
                         const std::string& place) {
  MUSTER_ASSIGN_OR_RETURN(const CudaModule* module, LoadModule());
  cuda::NcclOptions nccl{.rank = options.rank, .device = accelerator.device().index()};
  std::istringstream(place) >> nccl.master_address >> nccl.master_port;
  return module->join_world(nccl);
}

/// Gradients on GPUs: past the host where that is possible.
Result<Gang> AddDevices(const Options& options, const Accelerator& accelerator, Backend hosts) {
  const Gang meeting(hosts);
  auto ids = meeting.AllGather(accelerator.id());
  std::ranges::sort(ids);
  if (std::ranges::adjacent_find(ids) == ids.end()) {
    MUSTER_ASSIGN_OR_RETURN(const std::string place, MeetingPlace(options, meeting));
    MUSTER_ASSIGN_OR_RETURN(auto nccl, JoinNccl(options, accelerator, place));
    return Gang(std::move(hosts), std::move(nccl));
  }
  if (options.backend == "nccl") {
    return Invalid("the backend nccl wants a GPU for each rank; some share one here");
  }
  const Backend staged = shm::MakeStagedBackend(std::move(hosts));
  return Gang(staged, staged);
}

}  // namespace

Result<std::unique_ptr<Accelerator>> OpenDevice(const Options& options) {
  const std::string& wanted = options.params.Text("device");
  if (wanted == "cpu" || (wanted == "auto" && !SeesGpu())) return std::unique_ptr<Accelerator>();
  const auto module = LoadModule();
  if (module.ok()) {
    if (options.params.Text("deterministic") == "on") ComputeInFixedOrder();
    return (*module)->make_accelerator(static_cast<int>(options.local_rank));
  }
  if (wanted == "cuda") return module.error();
  LogWarning("trainer", module.error().message + "; training goes on without the GPU");
  return std::unique_ptr<Accelerator>();
}

Result<Gang> JoinGang(const Options& options, const Accelerator* accelerator,
                      RankProgress& progress) {
  if (options.backend == "nccl" && accelerator == nullptr) {
    return Invalid("the backend nccl wants a GPU; the device is the host");
  }
  if (options.rank.world_size <= 1) {
    if (options.backend != "nccl") return Gang();
    MUSTER_ASSIGN_OR_RETURN(auto nccl, JoinNccl(options, *accelerator, "127.0.0.1 0"));
    return Gang({}, std::move(nccl));
  }
  MUSTER_ASSIGN_OR_RETURN(auto hosts, JoinHosts(options, progress));
  if (accelerator == nullptr) return Gang(std::move(hosts));
  return AddDevices(options, *accelerator, std::move(hosts));
}

Result<std::unique_ptr<peers::Watch>> WatchGang(const Options& options, const Gang& gang,
                                                const RankProgress& progress) {
  if (gang.rank().world_size == 1) return std::unique_ptr<peers::Watch>();
  return peers::Watch::Start(
      {.rank = gang.rank(),
       .all_gather = [&](const std::string& text) { return gang.AllGather(text); },
       .state = [&] { return progress.Read(); },
       .limits = {.silence = options.peer_silence, .behind = options.peer_behind},
       .address = options.job ? options.job->master_address : ""});
}

}  // namespace muster::trainer::run
