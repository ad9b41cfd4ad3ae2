// Drift of 20 columns of a million reference rows beside 100,000 current ones, and what a request costs a Monitor.
// usage: drift_bench ROWS COLUMNS CURRENT [FOLDER]    with FOLDER the rows are also written there, for others: columns of
//        little-endian f32, one after another, in reference.f32 and current.f32

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "registry/monitor/monitor.h"
#include "registry/monitor/samples.h"
#include "tests/registry/monitor/versions.h"

namespace muster::registry::monitor {
namespace {

using Clock = std::chrono::steady_clock;

double Milliseconds(Clock::time_point from) {
  return std::chrono::duration<double, std::milli>(Clock::now() - from).count();
}

double PeakMegabytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1'024;
}

/// Every fourth column of the current rows is shifted by 0.2.
std::vector<float> Column(std::size_t rows, std::size_t column, bool current) {
  Random random(column, current ? 1 : 0);
  std::vector<float> values(rows);
  const double shift = current && column % 4 == 3 ? 0.2 : 0;
  for (float& value : values) value = static_cast<float>(shift + random.Normal());
  return values;
}

void Append(const std::string& file, const std::vector<float>& values) {
  std::ofstream(file, std::ios::binary | std::ios::app)
      .write(reinterpret_cast<const char*>(values.data()),
             static_cast<std::streamsize>(values.size() * sizeof(float)));
}

void BenchSamples(std::size_t rows, std::size_t columns, std::size_t current_rows,
                  const std::string& folder) {
  std::vector<SortedReference<float>> reference;
  std::vector<std::vector<float>> current;
  double sorting = 0;
  for (std::size_t column = 0; column < columns; ++column) {
    auto values = Column(rows, column, false);
    current.push_back(Column(current_rows, column, true));
    if (!folder.empty()) {
      Append(folder + "/reference.f32", values);
      Append(folder + "/current.f32", current.back());
    }
    const auto begin = Clock::now();
    reference.emplace_back(std::move(values));
    sorting += Milliseconds(begin);
  }
  std::vector<double> times;
  std::size_t drifted = 0;
  for (int run = 0; run < 5; ++run) {
    const auto begin = Clock::now();
    std::vector<ColumnDrift> drift;
    for (std::size_t column = 0; column < columns; ++column) {
      auto values = current[column];
      drift.push_back(DriftOfSamples(reference[column], values, {}));
    }
    drifted = Judge(drift, {}).drifted;
    times.push_back(Milliseconds(begin));
  }
  std::ranges::sort(times);
  std::printf(
      "drift of %zu x %zu beside %zu: reference sorted once %.0f ms, current only %.1f ms (median "
      "of 5), "
      "%zu columns drifted, peak %.0f MB\n",
      rows, columns, current_rows, sorting, times[2], drifted, PeakMegabytes());
}

void BenchObserve(std::int64_t columns) {
  TestVersion version = Blobs({.rows = 1'000});
  Random random(1);
  const auto inputs = [&](std::int64_t rows) {
    std::vector<float> values(static_cast<std::size_t>(rows * columns));
    for (float& value : values) value = static_cast<float>(random.Normal());
    return std::vector<Tensor>{F32("x", {rows, columns}, values)};
  };
  version.evaluation.inputs = inputs(1'000);
  Monitor monitor(*ParseBaseline(version.Text()), {}, 0);
  const auto request = inputs(1);
  const std::vector<Tensor> output = {F32("y", {1, 2}, {0, 1})};
  constexpr int kRequests = 100'000;
  const auto begin = Clock::now();
  for (int i = 0; i < kRequests; ++i) {
    const std::string id = std::to_string(i);
    monitor.Observe({.id = id, .inputs = &request, .outputs = &output});
  }
  std::printf("a request of %lld columns: %.2f us; its window is %zu bytes of text\n",
              static_cast<long long>(columns), Milliseconds(begin) * 1'000 / kRequests,
              ToJson(monitor.window()).size());
}

}  // namespace
}  // namespace muster::registry::monitor

int main(int argc, char** argv) {
  using namespace muster::registry::monitor;
  if (argc < 4) {
    std::fprintf(stderr, "usage: drift_bench ROWS COLUMNS CURRENT [FOLDER]\n");
    return 2;
  }
  const auto number = [&](int at) { return std::strtoull(argv[at], nullptr, 10); };
  BenchSamples(number(1), number(2), number(3), argc > 4 ? argv[4] : "");
  for (const std::int64_t columns : {4, 64, 512}) BenchObserve(columns);
}
