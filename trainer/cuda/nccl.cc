#include "trainer/cuda/nccl.h"

#include <c10/cuda/CUDAFunctions.h>

#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

namespace muster::trainer::cuda {

Result<c10::intrusive_ptr<c10d::Backend>> JoinWorld(const NcclOptions& options) {
  try {
    c10::cuda::set_device(static_cast<c10::DeviceIndex>(options.device));
    c10d::TCPStoreOptions store_options;
    store_options.port = static_cast<std::uint16_t>(options.master_port);
    store_options.isServer = options.rank.rank == 0;
    store_options.numWorkers = static_cast<std::size_t>(options.rank.world_size);
    store_options.timeout = options.timeout;
    auto store = c10::make_intrusive<c10d::TCPStore>(options.master_address, store_options);
    auto nccl_options = c10d::ProcessGroupNCCL::Options::create();
    nccl_options->timeout = options.timeout;
    return c10::intrusive_ptr<c10d::Backend>(c10::make_intrusive<c10d::ProcessGroupNCCL>(
        std::move(store), static_cast<int>(options.rank.rank),
        static_cast<int>(options.rank.world_size), nccl_options));
  } catch (const c10::Error& error) {
    return Unavailable(std::string("NCCL: ") + error.what_without_backtrace());
  } catch (const std::exception& error) {
    return Unavailable(std::string("NCCL: ") + error.what());
  }
}

}  // namespace muster::trainer::cuda
