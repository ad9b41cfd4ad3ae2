#include "trainer/run/device.h"

#include <cstdlib>
#include <filesystem>
#include <torch/csrc/distributed/c10d/Backend.hpp>

#include "runtime/base/log.h"
#include "runtime/modules/module.h"
#include "trainer/cuda/module.h"
#include "trainer/mpi/backend.h"

namespace muster::trainer::run {
namespace {

using cuda::CudaModule;

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

Status CheckRank(const RankInfo& joined, const RankInfo& rank) {
  if (joined == rank) return Ok();
  return Conflict("the environment says rank " + std::to_string(rank.rank) + " of " +
                  std::to_string(rank.world_size) + ", MPI says " + std::to_string(joined.rank) +
                  " of " + std::to_string(joined.world_size));
}

Result<Gang> JoinNccl(const Options& options, const Accelerator* accelerator) {
  if (accelerator == nullptr) return Invalid("the backend nccl wants a GPU; device is cpu");
  MUSTER_ASSIGN_OR_RETURN(const CudaModule* module, LoadModule());
  MUSTER_ASSIGN_OR_RETURN(
      auto nccl,
      module->join_world(
          {.rank = options.rank,
           .master_address = options.master_address.empty() ? "127.0.0.1" : options.master_address,
           .master_port = options.master_port,
           .device = accelerator->device().index()}));
  return Gang({}, std::move(nccl));
}

}  // namespace

Result<std::unique_ptr<Accelerator>> OpenDevice(const Options& options) {
  const std::string& wanted = options.params.Text("device");
  if (wanted == "cpu" || (wanted == "auto" && !SeesGpu())) return std::unique_ptr<Accelerator>();
  const auto module = LoadModule();
  if (module.ok()) return (*module)->make_accelerator(static_cast<int>(options.local_rank));
  if (wanted == "cuda") return module.error();
  LogWarning("trainer", module.error().message + "; training goes on without the GPU");
  return std::unique_ptr<Accelerator>();
}

Result<Gang> JoinGang(const Options& options, const Accelerator* accelerator,
                      RankProgress& progress) {
  if (options.backend == "nccl") return JoinNccl(options, accelerator);
  if (options.rank.world_size <= 1) {
    return Gang();  // without MPI: it takes longer to start than an epoch
  }
  const bool meets = options.master_port != 0 && !options.master_address.empty();
  if (options.backend == "auto" && accelerator != nullptr && meets) {
    return JoinNccl(options, accelerator);
  }
  MUSTER_ASSIGN_OR_RETURN(auto backend, mpi::JoinWorld({.progress = &progress}));
  Gang gang(std::move(backend));
  MUSTER_RETURN_IF_ERROR(CheckRank(gang.rank(), options.rank));
  return gang;
}

Result<std::unique_ptr<peers::Watch>> WatchGang(const Options& options, const Gang& gang,
                                                const RankProgress& progress) {
  if (gang.rank().world_size == 1) return std::unique_ptr<peers::Watch>();
  return peers::Watch::Start(
      {.rank = gang.rank(),
       .all_gather = [&](const std::string& text) { return gang.AllGather(text); },
       .state = [&] { return progress.Read(); },
       .limits = {.silence = options.peer_silence, .behind = options.peer_behind},
       .address = options.master_address});
}

}  // namespace muster::trainer::run
