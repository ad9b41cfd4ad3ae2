#include <algorithm>
#include <boost/json/parse.hpp>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "runtime/base/random.h"
#include "tuner/sampler.h"

/// How long a suggestion takes beside a long history; run by scripts/bench/sampler.
///   sampler_bench [SAMPLER [TRIALS ...]]      (tpe 100 1000 10000 30000 100000)
/// Ten parameters: six floats, two of them log more, one int, one choice. A history of so many random trials is
/// made, then 200 trials are asked for and told; the first suggestion, which reads all of the history, stands
/// apart.

namespace {

using namespace muster;
using namespace muster::tuner;
using Clock = std::chrono::steady_clock;

constexpr const char* kSpace = R"({
  "x0":{"float":[-5,5]},"x1":{"float":[-5,5]},"x2":{"float":[-5,5]},
  "x3":{"float":[-5,5]},"x4":{"float":[-5,5]},"x5":{"float":[-5,5]},
  "l0":{"float":[1e-5,1],"log":true},"l1":{"float":[1e-5,1],"log":true},
  "n":{"int":[1,64]},"c":{"choice":["a","b","c","d"]}})";

double Loss(const Params& params) {
  double sum = 0;
  for (const auto& [name, value] : params) {
    if (const auto* x = std::get_if<double>(&value)) {
      const double off = name[0] == 'l' ? std::log10(*x) + 3 : *x - 1;
      sum += off * off;
    } else if (const auto* n = std::get_if<std::int64_t>(&value)) {
      sum += std::pow(static_cast<double>(*n - 20) / 10, 2);
    } else {
      sum += std::get<std::string>(value) == "b" ? 0 : 1;
    }
  }
  return sum;
}

void Measure(const std::string& name, std::int64_t trials) {
  SearchSpec spec{
      .space = *ParseSpace(boost::json::parse(kSpace).as_object()), .seed = 1, .sampler = name};
  History history;
  for (std::int64_t i = 0; i < trials; ++i) {
    const Params params =
        spec.space->Decode(spec.space->Draw(Random(2, static_cast<std::uint64_t>(i))));
    history.Start(i, params);
    history.Finish(i, {TrialState::kComplete, {Loss(params)}, {}});
  }
  auto made = MakeSampler(spec);
  if (!made.ok()) {
    std::fprintf(stderr, "%s\n", made.error().message.c_str());
    std::exit(1);
  }
  std::vector<double> times;
  constexpr int kAsks = 200;
  for (int ask = 0; ask <= kAsks; ++ask) {
    const std::int64_t number = history.size();
    const auto start = Clock::now();
    const auto suggested = (*made)->Suggest(number, history);
    times.push_back(1e3 * std::chrono::duration<double>(Clock::now() - start).count());
    if (!suggested.ok()) std::abort();
    history.Start(number, suggested->params);
    history.Finish(number, {TrialState::kComplete, {Loss(suggested->params)}, {}});
  }
  const double first = times[0];
  std::sort(times.begin() + 1, times.end());
  std::printf("%s, %lld trials: p50 %.3f ms, p99 %.3f ms, first %.1f ms\n", name.c_str(),
              static_cast<long long>(trials), times[1 + kAsks / 2], times[1 + kAsks * 99 / 100],
              first);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::int64_t> sizes;
  for (int i = 2; i < argc; ++i) sizes.push_back(std::strtoll(argv[i], nullptr, 10));
  if (sizes.empty()) sizes = {100, 1000, 10'000, 30'000, 100'000};
  for (const std::int64_t size : sizes) Measure(argc > 1 ? argv[1] : "tpe", size);
}
