#include "registry/gates/time_calls.h"

#include "runtime/base/check.h"

namespace muster::registry {
namespace {

Tensor FirstRows(const Tensor& input, std::string name, std::int64_t batch) {
  Tensor rows{std::move(name), input.type, input.shape, {}};
  rows.shape[0] = batch;
  const auto row = static_cast<std::ptrdiff_t>(input.bytes.size()) / input.shape[0];
  rows.bytes.reserve(static_cast<std::size_t>(row * batch));
  for (std::int64_t i = 0; i < batch; ++i) {
    const auto first = input.bytes.begin() + row * (i % input.shape[0]);
    rows.bytes.insert(rows.bytes.end(), first, first + row);
  }
  return rows;
}

}  // namespace

Result<std::vector<double>> TimeCalls(InferenceModel& model, const Evaluation& evaluation,
                                      std::int64_t batch, const Clock& clock) {
  MUSTER_CHECK(batch > 0, "a batch has rows");
  std::vector<Tensor> inputs;
  for (const Tensor& input : evaluation.inputs) {
    const bool alone = evaluation.inputs.size() == 1;
    inputs.push_back(FirstRows(input, alone ? model.inputs()[0].name : input.name, batch));
  }
  std::vector<double> calls;
  const MonotonicTime end = clock.Now() + kTimedFor;
  for (int call = -kWarmUpCalls; call < kTimedCalls; ++call) {
    const MonotonicTime begin = clock.Now();
    if (begin > end) break;
    MUSTER_RETURN_IF_ERROR(model.Infer(inputs));
    const std::chrono::duration<double, std::milli> took = clock.Now() - begin;
    if (call >= 0) calls.push_back(took.count());
  }
  return calls;
}

}  // namespace muster::registry
