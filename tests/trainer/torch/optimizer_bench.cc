/// One step of AdamW over many tensors, muster's and torch::optim's, in turns: medians and minima in milliseconds, and
/// the ratio of the medians, as one JSON line. Weights must stay close, or it fails.

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/optim/adamw.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "trainer/torch/optimizer.h"

namespace {

std::vector<at::Tensor> Parameters(int tensors, std::int64_t floats) {
  at::manual_seed(1);
  std::vector<at::Tensor> parameters;
  for (int i = 0; i < tensors; ++i) {
    parameters.push_back(at::randn({floats}).set_requires_grad(true));
    parameters.back().mutable_grad() = at::randn({floats});
  }
  return parameters;
}

template <typename Step>
double Milliseconds(const Step& step) {
  const auto start = std::chrono::steady_clock::now();
  step();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
      .count();
}

double Median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  const int tensors = argc > 1 ? std::atoi(argv[1]) : 150;
  const int floats = argc > 2 ? std::atoi(argv[2]) : 8192;
  const int steps = argc > 3 ? std::atoi(argv[3]) : 300;
  const int threads = argc > 4 ? std::atoi(argv[4]) : 1;
  at::set_num_threads(threads);
  constexpr double kRate = 1e-3;
  auto mine = Parameters(tensors, floats);
  auto theirs = Parameters(tensors, floats);
  const auto ours = muster::trainer::MakeOptimizer(mine, {.weight_decay = 0.01});
  torch::optim::AdamW rival(theirs, torch::optim::AdamWOptions(kRate).weight_decay(0.01));
  std::vector<double> our_times, rival_times;
  for (int step = 0; step < steps; ++step) {
    our_times.push_back(Milliseconds([&] { ours->Step(kRate); }));
    rival_times.push_back(Milliseconds([&] { rival.step(); }));
  }
  for (int i = 0; i < tensors; ++i) {
    if (!at::allclose(mine[i], theirs[i], 1e-4, 1e-5)) {
      std::fprintf(stderr, "tensor %d differs\n", i);
      return 1;
    }
  }
  std::printf(
      "{\"tensors\": %d, \"floats\": %d, \"threads\": %d, \"steps\": %d, \"muster_ms\": %.3f, "
      "\"muster_min_ms\": %.3f, \"torch_ms\": %.3f, \"torch_min_ms\": %.3f, \"ratio\": %.3f}\n",
      tensors, floats, threads, steps, Median(our_times), *std::ranges::min_element(our_times),
      Median(rival_times), *std::ranges::min_element(rival_times),
      Median(our_times) / Median(rival_times));
}
