#include "trainer/run/main.h"

#include <ATen/Parallel.h>
#include <malloc.h>
#include <torch/nn/module.h>

#include <cstdio>
#include <cstdlib>
#include <limits>

#include "trainer/control/console_control.h"
#include "trainer/control/heartbeat_control.h"
#include "trainer/control/socket_control.h"
#include "trainer/control/telemetry_control.h"
#include "trainer/files/checkpoint_folder.h"
#include "trainer/hdf5/dataset_file.h"
#include "trainer/peers/phase_control.h"
#include "trainer/run/bench.h"
#include "trainer/run/device.h"
#include "trainer/run/export_model.h"
#include "trainer/run/options.h"
#include "trainer/run/origin.h"
#include "trainer/run/signal_control.h"
#include "trainer/torch/evaluate.h"
#include "trainer/torch/model_state.h"
#include "trainer/torch/train_loop.h"

namespace muster::trainer::run {
namespace {

void Say(const Trial& trial, const Error& error) {
  std::fprintf(stderr, "%s: %s\n", trial.name().c_str(), error.message.c_str());
}

Result<std::unique_ptr<Control>> Connect(const Options& options, RankProgress& progress) {
  std::unique_ptr<Control> inner;
  const bool first = options.rank.rank == 0;
  if (options.control_socket.empty()) {
    if (first) inner = control::MakeConsoleControl(stdout, options.terminal);
  } else {
    auto connected = control::ConnectControl(options.control_socket);
    if (!connected.ok() && first) return connected.error();
    if (connected.ok()) inner = std::move(connected).value();
    if (inner && !first) inner = control::TelemetryOnly(std::move(inner));
  }
  inner = control::WithHeartbeat(std::move(inner), options.heartbeat_file);
  return MakeSignalControl(peers::WithPhase(std::move(inner), progress));
}

Status LoadBest(const std::string& path, const torch::nn::Module& module) {
  MUSTER_ASSIGN_OR_RETURN(const Checkpoint checkpoint, files::ReadCheckpointFile(path));
  return LoadModel(checkpoint, module);
}

/// The best checkpoint on the test rows; for a person, who has no registry to do it.
Status ReportTest(Trial& trial, const Options& options, const LoopEnd& end, const Gang& gang,
                  Accelerator& accelerator) {
  const auto test = options.file.data.find("test");
  if (test == options.file.data.end() || !options.control_socket.empty()) return Ok();
  MUSTER_ASSIGN_OR_RETURN(const auto source, hdf5::OpenDataset(test->second));
  // Only rank 0 knows the path, and has the folder.
  MUSTER_RETURN_IF_ERROR(
      gang.Share(end.best_path.empty() ? Ok() : LoadBest(end.best_path, *end.module)));
  std::vector<at::Tensor> tensors;
  for (const auto& [name, tensor] : ModelTensors(*end.module)) tensors.push_back(tensor);
  gang.Broadcast(tensors);
  MUSTER_ASSIGN_OR_RETURN(const auto means,
                          EvaluateSource(trial, *end.module, *source, gang, accelerator,
                                         PrecisionFromName(options.params.Text("precision"))));
  if (!gang.first()) return Ok();
  for (const auto& [name, mean] : means) std::printf("test/%s %.6g\n", name.c_str(), mean);
  return Ok();
}

Result<int> TrainIn(const Gang& gang, Accelerator& accelerator, Trial& trial,
                    const Options& options, RankProgress& progress) {
  const auto& data = options.file.data;
  MUSTER_ASSIGN_OR_RETURN(const auto train, hdf5::OpenDataset(data.at("train")));
  if (options.bench_steps > 0) {
    MUSTER_RETURN_IF_ERROR(Bench(trial, options, *train, gang, accelerator));
    return 0;
  }
  std::unique_ptr<RowSource> validation;
  if (data.contains("validation")) {
    MUSTER_ASSIGN_OR_RETURN(validation, hdf5::OpenDataset(data.at("validation")));
  }
  MUSTER_ASSIGN_OR_RETURN(const auto control, Connect(options, progress));
  std::unique_ptr<CheckpointStore> checkpoints;
  if (gang.first() && !options.checkpoint_dir.empty()) {
    MUSTER_ASSIGN_OR_RETURN(checkpoints,
                            files::OpenCheckpointFolder({.folder = options.checkpoint_dir,
                                                         .attempt = options.attempt,
                                                         .keep = options.keep,
                                                         .keep_best = options.keep_best,
                                                         .metric = options.file.metric,
                                                         .maximize = options.file.maximize}));
  }
  MUSTER_ASSIGN_OR_RETURN(
      const LoopEnd end, RunTrainLoop({.trial = trial,
                                       .params = options.params,
                                       .train = *train,
                                       .validation = validation.get(),
                                       .gang = gang,
                                       .checkpoints = checkpoints.get(),
                                       .control = *control,
                                       .accelerator = accelerator,
                                       .clock = SystemClock(),
                                       .seed = options.file.seed,
                                       .cloned = options.cloned,
                                       .origin = OriginMetadata(options, trial, accelerator.name()),
                                       .best_metric = options.file.metric,
                                       .maximize = options.file.maximize}));
  if (end.why == LoopEnd::Why::kStopped) return kExitResume;
  MUSTER_RETURN_IF_ERROR(ReportTest(trial, options, end, gang, accelerator));
  return 0;
}

/// The tensors of a step come and go with it. glibc would give the large ones back to the kernel each time, which then
/// clears their pages anew: up to a fifth of a small model's step.
void KeepMemory() {
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
  mallopt(M_TOP_PAD, 64 << 20);
}

Result<int> Train(Trial& trial, const Options& options) {
  at::set_num_threads(options.threads);
  MUSTER_ASSIGN_OR_RETURN(const auto device, OpenDevice(options));
  RankProgress progress;
  std::unique_ptr<peers::Watch> watch;  // until the gang has parted: MPI's end waits for all ranks
  MUSTER_ASSIGN_OR_RETURN(const Gang gang, JoinGang(options, device.get(), progress));
  Accelerator& accelerator = device ? *device : HostAccelerator();
  Result<int> result = Internal("");
  try {
    auto started = WatchGang(options, gang, progress);
    if (started.ok()) watch = std::move(started).value();
    result = started.ok() ? TrainIn(gang, accelerator, trial, options, progress) : started.error();
    if (result.ok()) gang.Leave();
  } catch (const c10::Error& error) {  // from outside the loop
    result = Internal(error.what_without_backtrace());
  } catch (const std::exception& error) {
    result = Internal(error.what());
  }
  if (!result.ok() && !gang.alone()) {
    // The others may wait in a collective for this rank, and leaving MPI in order would wait for them.
    Say(trial, result.error());
    if (watch) watch->Fail(result.error().message);
    std::fflush(nullptr);
    std::_Exit(1);
  }
  return result;
}

}  // namespace

int TrialMain(int argc, char** argv, std::unique_ptr<Trial> trial) {
  KeepMemory();
  const ParsedOptions parsed = ParseOptions(argc, argv, *trial);
  if (!parsed.options) return parsed.exit_code;
  const Options& options = *parsed.options;
  Result<int> result = 0;
  if (options.export_dir) {
    const Status exported = ExportModel(*trial, options);
    if (!exported.ok()) result = exported.error();
  } else {
    result = Train(*trial, options);
  }
  if (result.ok()) return *result;
  Say(*trial, result.error());
  return 1;
}

}  // namespace muster::trainer::run
