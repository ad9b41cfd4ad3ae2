#include <ATen/Parallel.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/rand.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "trainer/files/checkpoint_folder.h"
#include "trainer/torch/background_saver.h"

/// What a save costs the thread that trains. scripts/bench/trainer/checkpoint runs it.
///   checkpoint_bench FOLDER MEGABYTES SAVES THREADS
/// State: 150 parameters with AdamW's mean, variance and step each. A line of JSON.

namespace muster::trainer {
namespace {

double Seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double Median(std::vector<double> values) {
  std::ranges::sort(values);
  return values.empty() ? 0 : values[values.size() / 2];
}

NamedTensors State(std::int64_t megabytes) {
  constexpr std::int64_t kParameters = 150;
  const std::int64_t elements = megabytes * 1'000'000 / 4 / 3 / kParameters;
  NamedTensors tensors;
  for (std::int64_t i = 0; i < kParameters; ++i) {
    const std::string number = std::to_string(i);
    tensors.emplace_back("model." + number, at::rand({elements}));
    tensors.emplace_back("optimizer.mean." + number, at::rand({elements}));
    tensors.emplace_back("optimizer.variance." + number, at::rand({elements}));
    tensors.emplace_back("optimizer.steps." + number, at::rand({}));
  }
  return tensors;
}

std::unique_ptr<CheckpointStore> Open(const std::filesystem::path& folder) {
  std::filesystem::remove_all(folder);
  auto store = files::OpenCheckpointFolder({.folder = folder});
  if (!store.ok()) {
    std::fprintf(stderr, "%s\n", store.error().message.c_str());
    std::exit(1);
  }
  return std::move(store).value();
}

void Check(const Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.error().message.c_str());
  std::exit(1);
}

struct Cost {
  double first = 0;           ///< seconds that Begin took, the first time
  std::vector<double> later;  ///< and the other times
  std::vector<double> saved;  ///< until the checkpoint is published
  std::vector<double> steps;  ///< of training while a save is in flight
};

/// Training: a matrix product on the same threads.
double StepSeconds() {
  static const at::Tensor a = at::rand({512, 512}), b = at::rand({512, 512});
  const double start = Seconds();
  (void)at::mm(a, b);
  return Seconds() - start;
}

Cost Background(const std::filesystem::path& folder, const NamedTensors& state, int saves,
                bool reserve) {
  const auto store = Open(folder);
  BackgroundSaver saver(*store);
  if (reserve) {
    saver.Reserve(state);
    for (const double until = Seconds() + 1; Seconds() < until;) StepSeconds();
  }
  Cost cost;
  for (int save = 0; save < saves; ++save) {
    const double start = Seconds();
    Check(saver.Begin({.step = save}, {}, state, false));
    const double stall = Seconds() - start;
    if (save == 0) {
      cost.first = stall;
    } else {
      cost.later.push_back(stall);
    }
    for (;;) {
      if (const auto saved = saver.Poll()) {
        Check(saved->path.ok() ? Ok() : Status(saved->path.error()));
        break;
      }
      cost.steps.push_back(StepSeconds());
    }
    cost.saved.push_back(Seconds() - start);
  }
  return cost;
}

/// As it was before there was a thread for it.
std::vector<double> Foreground(const std::filesystem::path& folder, const NamedTensors& state,
                               int saves) {
  const auto store = Open(folder);
  std::vector<double> stalls;
  for (int save = 0; save < saves; ++save) {
    const double start = Seconds();
    auto tensors = StoreTensors(state);
    Check(tensors.ok() ? Ok() : Status(tensors.error()));
    Checkpoint checkpoint{
        .progress = {.step = save}, .metadata = {}, .tensors = std::move(tensors).value()};
    const auto path = store->Save(checkpoint, false);
    Check(path.ok() ? Ok() : Status(path.error()));
    stalls.push_back(Seconds() - start);
  }
  return stalls;
}

}  // namespace
}  // namespace muster::trainer

int main(int argc, char** argv) {
  using namespace muster::trainer;
  if (argc != 5) return 2;
  const std::filesystem::path folder = argv[1];
  const int saves = std::atoi(argv[3]);
  at::set_num_threads(std::atoi(argv[4]));
  const NamedTensors state = State(std::atoll(argv[2]));
  std::vector<double> quiet;
  for (int i = 0; i < 200; ++i) quiet.push_back(StepSeconds());
  const Cost fresh = Background(folder, state, 1, /*reserve=*/false);
  const Cost cost = Background(folder, state, saves, /*reserve=*/true);
  const auto foreground = Foreground(folder, state, std::min(saves, 3));
  std::filesystem::remove_all(folder);
  std::printf(
      "{\"megabytes\": %s, \"threads\": %s, \"stall_ms\": {\"first\": %.1f, "
      "\"first_not_reserved\": %.1f, "
      "\"later_median\": %.1f, \"later_max\": %.1f, \"in_foreground\": %.1f}, \"published_ms\": "
      "%.1f, "
      "\"step_ms\": {\"quiet\": %.2f, \"while_saving\": %.2f}}\n",
      argv[2], argv[4], cost.first * 1e3, fresh.first * 1e3, Median(cost.later) * 1e3,
      cost.later.empty() ? 0.0 : *std::ranges::max_element(cost.later) * 1e3,
      Median(foreground) * 1e3, Median(cost.saved) * 1e3, Median(quiet) * 1e3,
      Median(cost.steps) * 1e3);
}
