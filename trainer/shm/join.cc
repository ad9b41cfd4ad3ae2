#include "trainer/shm/join.h"

#include <algorithm>
#include <random>
#include <thread>
#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "runtime/base/file.h"

namespace muster::trainer::shm {
namespace {

using Store = c10::intrusive_ptr<c10d::Store>;

/// Of this machine since its last boot; a container's kernel is its host's.
Result<std::string> MachineId() { return ReadWholeFile("/proc/sys/kernel/random/boot_id", 4096); }

std::string RandomName() {
  std::random_device device;
  std::string name = "agreed";
  for (int i = 0; i < 4; ++i) name += " " + std::to_string(device());
  return name;
}

std::string MachineKey(std::int64_t rank) { return "machine/" + std::to_string(rank); }

Result<std::string> Agree(c10d::Store& store, const RankInfo& rank,
                          std::chrono::milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  MUSTER_ASSIGN_OR_RETURN(const std::string machine, MachineId());
  if (rank.rank == 0) store.set("name", RandomName());
  store.set(MachineKey(rank.rank), machine);
  std::string elsewhere;
  for (std::int64_t other = 0; other < rank.world_size; ++other) {
    if (store.get_to_str(MachineKey(other)) != store.get_to_str(MachineKey(0))) {
      elsewhere += " " + std::to_string(other);
    }
  }
  if (elsewhere.empty()) return store.get_to_str("name");
  // Rank 0, which may keep the store, goes last.
  std::int64_t told = store.add("told", 1);
  while (rank.rank == 0 && told < rank.world_size && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    told = store.add("told", 0);
  }
  return Unsupported("not on rank 0's machine: rank" + elsewhere);
}

/// What `ask` answers, or LibTorch's words as an error.
template <typename Ask>
auto WithStore(const Ask& ask) -> decltype(ask()) {
  try {
    return ask();
  } catch (const c10::Error& error) {
    return Unavailable(std::string("the ranks' store: ") + error.what_without_backtrace());
  } catch (const std::exception& error) {
    return Unavailable(std::string("the ranks' store: ") + error.what());
  }
}

Result<Store> OpenStore(const JoinOptions& options) {
  const Job& job = options.job;
  return WithStore([&]() -> Result<Store> {
    c10d::TCPStoreOptions store_options;
    store_options.port = static_cast<std::uint16_t>(job.master_port);
    store_options.isServer = job.rank.rank == 0 && !job.master_is_launcher;
    store_options.waitWorkers = false;
    store_options.timeout = options.timeout;
    return Store(c10::make_intrusive<c10d::PrefixStore>(
        "muster/" + job.restart,
        c10::make_intrusive<c10d::TCPStore>(job.master_address, store_options)));
  });
}

}  // namespace

Result<std::string> AgreeOnName(c10d::Store& store, const RankInfo& rank,
                                std::chrono::milliseconds timeout) {
  return WithStore([&] { return Agree(store, rank, timeout); });
}

Result<c10::intrusive_ptr<c10d::Backend>> JoinMachine(const JoinOptions& options) {
  const Job& job = options.job;
  MeetOptions meet{.job = job.name, .rank = job.rank, .timeout = options.timeout};
  Store store;  // until all have met, and so have read it
  if (job.name.empty()) {
    if (job.master_address.empty()) {
      return Invalid(
          "the job has neither a name nor a master's address (MASTER_ADDR, MASTER_PORT)");
    }
    MUSTER_ASSIGN_OR_RETURN(store, OpenStore(options));
    MUSTER_ASSIGN_OR_RETURN(meet.job, AgreeOnName(*store, job.rank, options.timeout));
  }
  MUSTER_ASSIGN_OR_RETURN(Meeting meeting, Meet(meet));
  return MakeBackend(std::move(meeting), options.backend);
}

}  // namespace muster::trainer::shm
