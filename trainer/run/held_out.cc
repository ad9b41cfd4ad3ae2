#include "trainer/run/held_out.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstring>

#include "runtime/base/check.h"
#include "trainer/torch/batch_loader.h"

namespace muster::trainer::run {
namespace {

constexpr std::int64_t kBatch = registry::kRetrievalBlock;
/// Outputs that are computed at once: 256 rows of a language model may not fit any memory.
constexpr std::int64_t kBatchBytes = std::int64_t{64} << 20;

/// `kept` rows of another source, evenly spread.
class SpreadRows final : public RowSource {
 public:
  SpreadRows(const RowSource& all, std::uint64_t kept) : all_(all), kept_(kept) {}
  [[nodiscard]] std::uint64_t rows() const override { return kept_; }
  [[nodiscard]] const std::vector<Field>& fields() const override { return all_.fields(); }
  [[nodiscard]] std::string name() const override { return all_.name(); }
  Status Read(std::size_t field, std::span<const std::uint64_t> rows,
              std::byte* out) const override {
    std::vector<std::uint64_t> places;
    places.reserve(rows.size());
    for (const std::uint64_t row : rows) {
      places.push_back(
          static_cast<std::uint64_t>(static_cast<unsigned __int128>(row) * all_.rows() / kept_));
    }
    return all_.Read(field, places, out);
  }

 private:
  const RowSource& all_;
  std::uint64_t kept_;
};

Result<registry::ElementType> TypeOf(const at::Tensor& tensor, const std::string& name) {
  using registry::ElementType;
  switch (tensor.scalar_type()) {
    case at::kByte:
      return ElementType::kU8;
    case at::kInt:
      return ElementType::kI32;
    case at::kLong:
      return ElementType::kI64;
    case at::kFloat:
      return ElementType::kF32;
    case at::kDouble:
      return ElementType::kF64;
    default:
      return Unsupported("'" + name + "' is of type " + c10::toString(tensor.scalar_type()));
  }
}

Result<registry::Tensor> AsBytes(const std::string& name, const at::Tensor& tensor) {
  const at::Tensor host = tensor.contiguous();
  registry::Tensor bytes{.name = name, .shape = host.sizes().vec(), .bytes = {}};
  MUSTER_ASSIGN_OR_RETURN(bytes.type, TypeOf(host, name));
  bytes.bytes.resize(host.nbytes());
  if (host.nbytes() > 0) std::memcpy(bytes.bytes.data(), host.data_ptr(), host.nbytes());
  return bytes;
}

/// What a trial serves, with all defaults filled in.
struct Plan {
  ServedSpec served;
  std::vector<std::string> input_names;
  DataSpec data;
  bool next_token = false;  ///< labels are the inputs, one place on

  explicit Plan(const Trial& trial) : served(trial.served()), data(trial.data()) {
    input_names = served.columns;
    if (served.columns.empty()) {
      served.columns = {data.inputs};
      input_names = {"input"};
    }
    next_token = served.task == Task::kTokens && data.labels == data.inputs;
  }
  [[nodiscard]] std::vector<std::string> columns(const std::vector<std::string>& more) const {
    std::vector<std::string> all = served.columns;
    all.push_back(data.labels);
    all.insert(all.end(), more.begin(), more.end());
    std::ranges::sort(all);
    all.erase(std::ranges::unique(all).begin(), all.end());
    return all;
  }
};

std::vector<at::Tensor> InputsOf(const Plan& plan, const Batch& batch) {
  std::vector<at::Tensor> inputs;
  for (const std::string& column : plan.served.columns) {
    const at::Tensor& all = batch[column];
    const bool shifted = plan.next_token && column == plan.data.inputs;
    inputs.push_back(shifted ? all.slice(1, 0, all.size(1) - 1) : all);
  }
  return inputs;
}

/// Labels as whole numbers, or targets in the form of the outputs.
at::Tensor TruthOf(const Plan& plan, const Batch& batch, const at::Tensor& output) {
  const at::Tensor& all = batch[plan.data.labels];
  if (plan.served.task == Task::kRegression) {
    TORCH_CHECK(all.numel() == output.numel(), "the column '", plan.data.labels, "' has rows of ",
                all.sizes().slice(1), ", the model's outputs are ", output.sizes().slice(1));
    return all.to(at::kFloat).reshape(output.sizes());
  }
  if (plan.served.task != Task::kTokens) return all.to(at::kLong).flatten();
  return (plan.next_token ? all.slice(1, 1) : all).to(at::kLong);
}

/// Tensors by name, batch after batch.
class Pieces {
 public:
  void Add(const std::string& name, const at::Tensor& piece) {
    const auto found = std::ranges::find(names_, name);
    const auto place = static_cast<std::size_t>(found - names_.begin());
    if (found == names_.end()) {
      names_.push_back(name);
      pieces_.emplace_back();
    }
    pieces_[place].push_back(piece);
  }
  [[nodiscard]] Result<std::vector<registry::Tensor>> Whole() const {
    std::vector<registry::Tensor> tensors;
    for (std::size_t i = 0; i < names_.size(); ++i) {
      MUSTER_ASSIGN_OR_RETURN(tensors.emplace_back(), AsBytes(names_[i], at::cat(pieces_[i])));
    }
    return tensors;
  }

 private:
  std::vector<std::string> names_;
  std::vector<std::vector<at::Tensor>> pieces_;
};

/// Calls `each` with the batches of a source in order.
template <typename Each>
Status ForEachBatch(const RowSource& source, const std::vector<std::string>& columns,
                    std::int64_t batch, Each each) {
  MUSTER_ASSIGN_OR_RETURN(
      auto loader, BatchLoader::Start(source, {.columns = columns,
                                               .epoch = {.rows = source.rows(), .shuffled = false},
                                               .batch_size = static_cast<std::uint64_t>(batch)}));
  for (;;) {
    MUSTER_ASSIGN_OR_RETURN(const auto loaded, loader->Next());
    if (!loaded) return Ok();
    each(loaded->batch);
  }
}

Status CheckSegments(const RowSource& source, const std::vector<std::string>& segments) {
  for (const std::string& segment : segments) {
    MUSTER_ASSIGN_OR_RETURN(const std::size_t place, FindField(source, segment));
    const Field& field = source.fields()[place];
    const bool whole = field.type != ElementType::kF32 && field.type != ElementType::kF64;
    if (whole && field.row_elements() == 1) continue;
    return Invalid(source.name() + ": a segment wants one whole number a row, got " + field.Text());
  }
  return Ok();
}

/// What one row takes, from the first of the source.
struct Sizes {
  std::int64_t input_bytes = 0, output_bytes = 0;
};

Result<Sizes> Measure(Trial& trial, const Plan& plan, const RowSource& source) {
  Sizes sizes;
  const SpreadRows first(source, 1);
  MUSTER_RETURN_IF_ERROR(ForEachBatch(first, plan.columns({}), 1, [&](const Batch& batch) {
    const auto inputs = InputsOf(plan, batch);
    for (const auto& input : inputs) sizes.input_bytes += static_cast<std::int64_t>(input.nbytes());
    for (const auto& output : trial.Serve(inputs)) sizes.output_bytes += output.numel() * 4;
  }));
  return sizes;
}

std::vector<registry::TensorSpec> SpecsOf(const std::vector<registry::Tensor>& tensors,
                                          std::string_view prefix) {
  std::vector<registry::TensorSpec> specs;
  for (const registry::Tensor& tensor : tensors) {
    if (!tensor.name.starts_with(prefix)) continue;
    specs.push_back({tensor.name.substr(prefix.size()), tensor.type, tensor.shape});
    specs.back().shape[0] = -1;
  }
  return specs;
}

}  // namespace

registry::Task RegistryTask(Task task) {
  switch (task) {
    case Task::kClasses:
      return registry::Task::kClasses;
    case Task::kTokens:
      return registry::Task::kTokens;
    case Task::kBinary:
      return registry::Task::kBinary;
    case Task::kRegression:
      return registry::Task::kRegression;
    case Task::kRetrieval:
      return registry::Task::kRetrieval;
  }
  MUSTER_CHECK(false, "every task has its registry's");
  return {};
}

Result<HeldOut> ComputeHeldOut(Trial& trial, const RowSource& source,
                               const std::vector<std::string>& segments, std::int64_t bytes_max) {
  if (source.rows() == 0) return Invalid(source.name() + " has no rows");
  MUSTER_RETURN_IF_ERROR(CheckSegments(source, segments));
  const Plan plan(trial);
  MUSTER_ASSIGN_OR_RETURN(const Sizes sizes, Measure(trial, plan, source));
  HeldOut held;
  held.rows =
      std::clamp(bytes_max / std::max<std::int64_t>(1, sizes.input_bytes + sizes.output_bytes),
                 std::int64_t{1}, static_cast<std::int64_t>(source.rows()));
  held.batch = std::clamp(kBatchBytes / std::max<std::int64_t>(1, sizes.output_bytes),
                          std::int64_t{1}, kBatch);
  const SpreadRows rows(source, static_cast<std::uint64_t>(held.rows));
  Pieces pieces;
  MUSTER_RETURN_IF_ERROR(
      ForEachBatch(rows, plan.columns(segments), held.batch, [&](const Batch& batch) {
        const auto inputs = InputsOf(plan, batch);
        const auto outputs = trial.Serve(inputs);
        TORCH_CHECK(outputs.size() == plan.served.outputs.size(), "Serve answers ", outputs.size(),
                    " tensors, served() names ", plan.served.outputs.size());
        for (std::size_t i = 0; i < inputs.size(); ++i) {
          pieces.Add("input." + plan.input_names[i], inputs[i]);
        }
        for (std::size_t i = 0; i < outputs.size(); ++i) {
          pieces.Add("reference." + plan.served.outputs[i], outputs[i].to(at::kFloat));
        }
        pieces.Add(plan.served.task == Task::kRegression ? "targets" : "labels",
                   TruthOf(plan, batch, outputs[0]));
        for (const std::string& segment : segments) {
          pieces.Add("segment." + segment, batch[segment].to(at::kLong).flatten());
        }
      }));
  MUSTER_ASSIGN_OR_RETURN(held.tensors, pieces.Whole());
  held.inputs = SpecsOf(held.tensors, "input.");
  held.outputs = SpecsOf(held.tensors, "reference.");
  char threshold[32];
  std::snprintf(threshold, sizeof threshold, "%.17g", plan.served.threshold);
  held.metadata = {{"format", "2"},
                   {"task", std::string(registry::TaskName(RegistryTask(plan.served.task)))}};
  if (plan.served.task == Task::kBinary) held.metadata["threshold"] = threshold;
  // What cannot be judged later is said now, with the trial's program still at hand.
  const auto checked = registry::EvaluationFromTensors({held.tensors, held.metadata});
  if (!checked.ok()) return checked.error();
  return held;
}

}  // namespace muster::trainer::run
