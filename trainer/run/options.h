#pragma once

#include <boost/json/object.hpp>
#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "trainer/params.h"
#include "trainer/row_order.h"
#include "trainer/shm/job.h"
#include "trainer/trial.h"

/// What a trial's program was asked to do: flags, environment and the parameter file, read once.

namespace muster::trainer::run {

struct Options {
  TrialFile file;  ///< of MUSTER_PARAMS or --params; flags win over it
  Params params;
  std::optional<std::filesystem::path> export_dir;  ///< set: export instead of training
  std::filesystem::path checkpoint;                 ///< what to export
  std::vector<std::string> segments;                ///< columns of the held-out rows to export too
  std::filesystem::path checkpoint_dir;             ///< empty: nothing is saved
  int keep = 2;
  std::filesystem::path control_socket;  ///< empty: a person watches
  std::filesystem::path heartbeat_file;  ///< empty: nobody asks
  bool terminal = false;                 ///< a person sees stdout directly
  std::int64_t attempt = 0;
  std::string container;  ///< that this runs in, as MUSTER_CONTAINER names it
  bool cloned = false;    ///< the checkpoint folder began as a copy of another trial's
  RankInfo rank;
  std::int64_t local_rank = 0;               ///< among the ranks of this machine
  std::optional<shm::Job> job;               ///< whose rank this is; nothing for a process alone
  std::string backend;                       ///< "auto", "shm", "mpi", "nccl"
  int keep_best = 1;                         ///< best checkpoints to keep, besides the newest
  std::int64_t bench_steps = 0;              ///< not 0: time so many steps instead of training
  std::chrono::milliseconds peer_silence{};  ///< peers::PeerLimits
  std::chrono::milliseconds peer_behind{};
  int threads = 1;  ///< of LibTorch's kernels
};

/// The options, or the exit code when there is nothing to do (--help) or flags are wrong; what is to be said
/// has been printed then. Reads environ.
struct ParsedOptions {
  std::optional<Options> options;
  int exit_code = 0;
};
ParsedOptions ParseOptions(int argc, char** argv, const Trial& trial);

}  // namespace muster::trainer::run
