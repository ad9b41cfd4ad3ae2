#include "trainer/run/bench.h"

#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <torch/nn/module.h>
#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <sstream>

#include "runtime/base/file.h"
#include "trainer/schedule.h"
#include "trainer/torch/batch_loader.h"
#include "trainer/torch/learner.h"

namespace muster::trainer::run {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kBatches = 16;  ///< in memory, used in turn
constexpr int kWarmUp = 10;
constexpr int kQueued = 5;  ///< steps that a GPU is given before it is waited for

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Since the kernel started this process (field 22 of /proc/self/stat, proc(5)).
double ProcessAge() {
  const auto stat = ReadWholeFile("/proc/self/stat");
  if (!stat.ok()) return 0;
  std::istringstream fields(stat->substr(stat->rfind(')') + 2));
  std::string skipped;
  for (int field = 3; field < 22; ++field) fields >> skipped;
  double ticks = 0;
  fields >> ticks;
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec) -
         ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
}

/// `sorted` is not empty.
double Quantile(const std::vector<double>& sorted, double share) {
  return sorted[static_cast<std::size_t>(
      std::lround(share * static_cast<double>(sorted.size() - 1)))];
}

Result<std::vector<LoadedBatch>> LoadSome(const Trial& trial, const Options& options,
                                          const RowSource& train, const Gang& gang,
                                          const Accelerator& accelerator) {
  MUSTER_ASSIGN_OR_RETURN(
      auto loader,
      BatchLoader::Start(
          train,
          {.columns = trial.data().columns(),
           .epoch = {.seed = static_cast<std::uint64_t>(options.file.seed), .rows = train.rows()},
           .batch_size = static_cast<std::uint64_t>(options.params.Int("batch_size")),
           .rank = gang.rank(),
           .accelerator = &accelerator}));
  std::vector<LoadedBatch> batches;
  while (batches.size() < kBatches) {
    MUSTER_ASSIGN_OR_RETURN(auto loaded, loader->Next());
    // A smaller one at the end would be another step.
    if (!loaded || loaded->global_rows != options.params.Int("batch_size")) break;
    batches.push_back(std::move(*loaded));
  }
  if (batches.empty()) {
    return Invalid(train.name() + " has " + std::to_string(train.rows()) +
                   " rows, fewer than one batch");
  }
  return batches;
}

struct Timed {
  double first_step = 0;        ///< since the process began
  std::vector<double> seconds;  ///< of a step, sorted
};

Timed TimeSteps(Learner& learner, const std::vector<LoadedBatch>& batches, std::int64_t steps,
                double rate) {
  Timed timed;
  std::int64_t step = 0;
  const auto run = [&](std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i, ++step) {
      learner.Step(batches[static_cast<std::size_t>(step) % batches.size()], step, rate,
                   [](const char*) {});
    }
    learner.accelerator().Synchronize();
  };
  run(1);
  timed.first_step = ProcessAge();
  run(kWarmUp);
  const std::int64_t block = learner.accelerator().device().is_cpu() ? 1 : kQueued;
  while (step < 1 + kWarmUp + steps) {
    const auto start = Clock::now();
    run(block);
    timed.seconds.push_back(SecondsSince(start) / static_cast<double>(block));
  }
  std::ranges::sort(timed.seconds);
  return timed;
}

std::int64_t PeakBytes(const Accelerator& accelerator) {
  if (!accelerator.device().is_cpu()) return accelerator.peak_bytes();
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss * 1024;
}

}  // namespace

Status Bench(Trial& trial, const Options& options, const RowSource& train, const Gang& gang,
             Accelerator& accelerator) {
  MUSTER_ASSIGN_OR_RETURN(const auto learner,
                          Learner::Make(trial, options.params, gang, accelerator,
                                        LearnerOptionsFrom(options.params, options.file.seed)));
  learner->module().train();
  MUSTER_ASSIGN_OR_RETURN(const auto batches, LoadSome(trial, options, train, gang, accelerator));
  const Timed timed = TimeSteps(*learner, batches, options.bench_steps, options.params.Float("lr"));
  if (!gang.first()) return Ok();
  const double median = Quantile(timed.seconds, 0.5);
  const double rows = static_cast<double>(options.params.Int("batch_size")) / median;
  boost::json::object line{{"program", trial.name()},
                           {"device", accelerator.name()},
                           {"ranks", gang.rank().world_size},
                           {"threads", options.threads},
                           {"batch", options.params.Int("batch_size")},
                           {"precision", options.params.Text("precision")},
                           {"cuda_graph", options.params.Text("cuda_graph")},
                           {"parameters", learner->parameter_count()},
                           {"steps", options.bench_steps},
                           {"step_seconds",
                            {{"median", median},
                             {"p10", Quantile(timed.seconds, 0.1)},
                             {"p90", Quantile(timed.seconds, 0.9)}}},
                           {"first_step_seconds", timed.first_step},
                           {"rows_per_second", rows},
                           {"peak_bytes", PeakBytes(accelerator)}};
  if (trial.tokens_per_row() > 0) {
    line["tokens_per_second"] = rows * static_cast<double>(trial.tokens_per_row());
  }
  if (trial.flops_per_row() > 0) {
    line["flops_per_second"] = rows * trial.flops_per_row();
    const double peak = accelerator.peak_flops(learner->precision());
    if (peak > 0) {
      line["mfu"] =
          rows * trial.flops_per_row() / (peak * static_cast<double>(gang.rank().world_size));
    }
  }
  std::printf("%s\n", boost::json::serialize(line).c_str());
  return Ok();
}

}  // namespace muster::trainer::run
