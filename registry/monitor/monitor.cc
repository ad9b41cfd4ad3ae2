#include "registry/monitor/monitor.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "registry/package/class_figures.h"
#include "registry/tensor_values.h"
#include "runtime/base/check.h"

namespace muster::registry::monitor {
namespace {

/// Letters of a violation's example, and of a segment.
constexpr std::size_t kExampleMost = 200, kSegmentMost = 128;

const Tensor* Named(const std::vector<Tensor>& tensors, const std::string& name) {
  const auto found = std::ranges::find(tensors, name, &Tensor::name);
  return found == tensors.end() ? nullptr : &*found;
}

std::int64_t Product(std::span<const std::int64_t> shape) {
  std::int64_t product = 1;
  for (const std::int64_t size : shape) product *= size;
  return product;
}

/// The values of one row, whose tensor has been checked to hold them.
void ReadRow(const Tensor& tensor, std::int64_t row, std::int64_t width,
             std::vector<double>& values) {
  const std::size_t size = ElementSize(tensor.type) * static_cast<std::size_t>(width);
  const std::byte* const from = tensor.bytes.data() + static_cast<std::size_t>(row) * size;
  if (tensor.type == ElementType::kF32) {
    values.resize(static_cast<std::size_t>(width));
    for (std::size_t i = 0; i < values.size(); ++i) {
      float value;
      std::memcpy(&value, from + i * sizeof value, sizeof value);
      values[i] = value;
    }
    return;
  }
  values = ValuesAs<double>(Tensor{{}, tensor.type, {width}, {from, from + size}});
}

/// Rows of a tensor whose bytes are what its shape says; -1 of any other.
std::int64_t RowsOf(const Tensor& tensor) {
  if (tensor.shape.empty() || tensor.shape[0] < 0) return -1;
  const auto count = ElementCount(tensor.shape);
  if (!count.ok()) return -1;
  const auto size = static_cast<std::size_t>(*count) * ElementSize(tensor.type);
  return size == tensor.bytes.size() ? tensor.shape[0] : -1;
}

}  // namespace

Status CheckMonitorSpec(const MonitorSpec& spec) {
  const auto least = [](const char* name, std::int64_t value, std::int64_t wanted) -> Status {
    if (value >= wanted) return Ok();
    return Invalid("at " + std::string(name) + ": wanted " + std::to_string(wanted) +
                   " or more, got " + std::to_string(value));
  };
  MUSTER_RETURN_IF_ERROR(least("sample_every", spec.sample_every, 1));
  MUSTER_RETURN_IF_ERROR(least("rows_most", spec.rows_most, 1));
  MUSTER_RETURN_IF_ERROR(least("values_most", spec.values_most, 1));
  MUSTER_RETURN_IF_ERROR(least("outcomes_most", static_cast<std::int64_t>(spec.outcomes_most), 1));
  return least("late_ms", spec.late_ms, 0);
}

Monitor::Monitor(Baseline baseline, MonitorSpec spec, std::int64_t now_ms)
    : baseline_(std::move(baseline)),
      spec_(spec),
      random_(spec.seed),
      window_(baseline_, now_ms, spec.seed),
      join_(spec.outcomes_most) {
  MUSTER_CHECK(CheckMonitorSpec(spec_).ok(), "the spec was checked");
  for (const BaselineInput& input : baseline_.inputs) {
    for (const BaselineColumn& column : input.columns) {
      width_ += std::min(column.elements, kPooledSample);
    }
  }
}

void Monitor::Observe(const Observation& observation) {
  ++window_.requests;
  if (!observation.ok) {
    ++window_.failed;
    return;
  }
  window_.latency_us.Add(static_cast<double>(observation.duration.count()));
  if (answered_++ % spec_.sample_every == 0) ObserveAnswered(observation);
}

const std::vector<std::int64_t>& Monitor::Sample(std::int64_t rows) {
  const std::int64_t fit =
      std::max<std::int64_t>(1, spec_.values_most / std::max<std::int64_t>(1, width_));
  const std::int64_t count = std::min({rows, spec_.rows_most, fit});
  sample_.clear();
  for (std::int64_t i = 0; i < count; ++i) {
    // One of each of `count` stretches.
    const std::int64_t from = i * rows / count, to = (i + 1) * rows / count;
    const auto length = static_cast<std::uint64_t>(to - from);
    sample_.push_back(from + (length > 1 ? static_cast<std::int64_t>(random_.Below(length)) : 0));
  }
  return sample_;
}

void Monitor::ObserveAnswered(const Observation& observation) {
  const auto* tensors = observation.inputs;
  if (tensors == nullptr || tensors->empty()) tensors = observation.outputs;
  if (tensors == nullptr || tensors->empty()) return;
  const std::int64_t rows = RowsOf(tensors->front());
  if (rows < 0) return Violate("shape", "of no rows: " + ShapeText(tensors->front().shape));
  window_.rows += rows;
  if (Sample(rows).empty()) return;
  window_.sampled += std::ssize(sample_);
  if (observation.inputs != nullptr) ObserveInputs(*observation.inputs);
  const bool predicts = baseline_.has_classes() || !baseline_.outputs.empty();
  if (!predicts || observation.outputs == nullptr || observation.outputs->empty()) return;
  const Tensor& output = observation.outputs->front();
  if (RowsOf(output) != rows) return Violate("output", "an output of other rows than the inputs");
  std::vector<PredictedRow> predicted;
  predicted.reserve(sample_.size());
  for (const std::int64_t row : sample_) predicted.push_back(ObserveOutputs(output, row));
  std::erase_if(predicted, [](const PredictedRow& one) { return one.values.empty(); });
  join_.Predicted(observation.id, observation.segment.substr(0, kSegmentMost), observation.time_ms,
                  std::move(predicted));
}

void Monitor::ObserveInputs(const std::vector<Tensor>& inputs) {
  std::size_t first = 0;  // column of the input under way
  for (const BaselineInput& input : baseline_.inputs) {
    // One alone goes by its place.
    const Tensor* tensor = inputs.size() == 1 && baseline_.inputs.size() == 1
                               ? &inputs.front()
                               : Named(inputs, input.name);
    if (tensor == nullptr) {
      Violate("missing_input", "'" + input.name + "'");
    } else {
      ObserveInput(input, *tensor, std::span(window_.columns).subspan(first, input.columns.size()));
    }
    first += input.columns.size();
  }
  if (inputs.size() > baseline_.inputs.size()) {
    Violate("unknown_input", std::to_string(inputs.size()) + " inputs, wanted " +
                                 std::to_string(baseline_.inputs.size()));
  }
}

void Monitor::ObserveInput(const BaselineInput& input, const Tensor& tensor,
                           std::span<ColumnWindow> windows) {
  if (tensor.type != input.type) {
    Violate("type", "'" + input.name + "' is " + std::string(ElementTypeName(tensor.type)) +
                        ", wanted " + std::string(ElementTypeName(input.type)));
  }
  const std::int64_t width = Product(std::span(input.shape).subspan(1));
  if (RowsOf(tensor) <= sample_.back() || Product(std::span(tensor.shape).subspan(1)) != width) {
    Violate("shape", "'" + input.name + "' is " + ShapeText(tensor.shape) + ", wanted rows of " +
                         ShapeText(input.shape));
    return;
  }
  const bool pooled = !windows.empty() && input.columns[0].pooled;
  for (const std::int64_t row : sample_) {
    if (pooled) {
      for (std::int64_t i = std::min(width, kPooledSample); i > 0; --i) {
        const auto element = random_.Below(static_cast<std::uint64_t>(width));
        ReadRow(tensor, row * width + static_cast<std::int64_t>(element), 1, values_);
        windows[0].Add(input.columns[0], values_[0]);
      }
      continue;
    }
    ReadRow(tensor, row, width, values_);
    for (std::size_t i = 0; i < windows.size(); ++i) windows[i].Add(input.columns[i], values_[i]);
  }
}

PredictedRow Monitor::ObserveOutputs(const Tensor& output, std::int64_t row) {
  PredictedRow predicted{row, {}};
  const std::int64_t width = Product(std::span(output.shape).subspan(1));
  const bool classes = baseline_.has_classes();
  const std::int64_t outputs =
      classes ? std::ssize(baseline_.predictions) : std::ssize(baseline_.outputs);
  if (width != outputs && !(classes && outputs == 2 && width == 1)) {
    Violate("output", ShapeText(output.shape));
    return predicted;
  }
  ReadRow(output, row, width, values_);
  if (!classes) {
    for (std::size_t i = 0; i < values_.size(); ++i) {
      window_.outputs[i].Add(baseline_.outputs[i], values_[i]);
    }
    predicted.values = values_;
    return predicted;
  }
  const std::vector<float> logits(values_.begin(), values_.end());
  const Decision decision = DecideClass(logits, baseline_.threshold);
  if (decision.of_class) {
    ++window_.classes[*decision.of_class];
  } else {
    ++window_.no_class;
  }
  if (window_.confidence) window_.confidence->Add(*baseline_.confidence, decision.confidence);
  if (baseline_.calibration && decision.of_class) {
    window_.confidence_sums.Add(*baseline_.calibration, decision.confidence);
  }
  predicted.values = {decision.of_class ? static_cast<double>(*decision.of_class) : -1,
                      decision.confidence};
  return predicted;
}

void Monitor::Violate(const char* kind, std::string_view example) {
  Violation& violation = window_.violations[kind];
  if (violation.count++ == 0) violation.example = example.substr(0, kExampleMost);
}

Result<JoinState> Monitor::Outcome(const OutcomeLabel& label) {
  MUSTER_ASSIGN_OR_RETURN(const JoinResult joined, Join(label));
  return joined.state;
}

Result<JoinResult> Monitor::Join(const OutcomeLabel& label) {
  if (const Status valid = CheckLabel(baseline_, label.values); !valid.ok()) {
    window_.performance.AddInvalid();
    return valid.error();
  }
  JoinResult joined = join_.Labelled({label.id, label.row, label.values, label.time_ms, windows_});
  window_.performance.Add(joined, label.values, windows_, spec_.late_ms);
  return joined;
}

Window Monitor::CloseWindow(std::int64_t now_ms) {
  ++windows_;
  Window closed = std::exchange(
      window_, Window(baseline_, now_ms, spec_.seed + static_cast<std::uint64_t>(windows_)));
  closed.ended_ms = now_ms;
  return closed;
}

}  // namespace muster::registry::monitor
