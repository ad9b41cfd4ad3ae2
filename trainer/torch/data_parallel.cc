#include "trainer/torch/data_parallel.h"

#include <algorithm>
#include <charconv>
#include <torch/csrc/distributed/c10d/logger.hpp>
#include <torch/csrc/distributed/c10d/reducer.hpp>

#include "trainer/torch/sharded_reducer.h"

namespace muster::trainer {
namespace {

NamedTensors Numbered(const std::vector<at::Tensor>& tensors) {
  NamedTensors named;
  for (const at::Tensor& tensor : tensors) named.emplace_back(std::to_string(named.size()), tensor);
  return named;
}

std::shared_ptr<c10d::Reducer> MakeReducer(const std::vector<at::Tensor>& parameters,
                                           const Gang& gang, const DataParallel::Options& options) {
  const std::vector<std::size_t> limits = {static_cast<std::size_t>(options.first_bucket_bytes),
                                           static_cast<std::size_t>(options.bucket_bytes)};
  const std::vector<bool> sparse(parameters.size(), false);
  auto buckets = std::get<0>(c10d::compute_bucket_assignment_by_size(parameters, limits, sparse));
  // Backward meets the last layers first.
  std::ranges::reverse(buckets);
  return std::make_shared<c10d::Reducer>(
      parameters, std::move(buckets), gang.process_group(), sparse, options.bucket_bytes,
      options.find_unused, /*gradient_as_bucket_view=*/true,
      /*param_names=*/std::unordered_map<std::size_t, std::string>(), options.first_bucket_bytes,
      /*skip_all_reduce_unused_params=*/false, /*use_python_reducer=*/false,
      /*bucket_bytes_cap_list=*/std::vector<std::int64_t>());
}

}  // namespace

Facts ParameterFacts(const NamedTensors& parameters) {
  Facts facts;
  for (const auto& [name, parameter] : parameters) {
    facts.push_back(
        {"parameter '" + name + "'", c10::str(parameter.scalar_type(), " ", parameter.sizes())});
  }
  return facts;
}

DataParallel::DataParallel(const NamedTensors& parameters, const Gang& gang, Options options)
    : find_unused_(options.find_unused) {
  for (const auto& [name, parameter] : parameters) optimized_.push_back(parameter);
  if (gang.alone() || parameters.empty()) return;
  const Status same = gang.CheckSame(ParameterFacts(parameters));
  TORCH_CHECK(same.ok(), same.error().message);
  gang.Broadcast(optimized_);
  if (options.shard_optimizer) {
    sharded_ = std::make_unique<ShardedReducer>(
        parameters, gang,
        ShardedReducer::Options{.first_bucket_bytes = options.first_bucket_bytes,
                                .bucket_bytes = options.bucket_bytes,
                                .find_unused = options.find_unused});
    optimized_ = sharded_->Pieces();
  } else {
    reducer_ = MakeReducer(optimized_, gang, options);
    // It logs for PyTorch's own use, and where parameters are unused without asking whether there is a log.
    logger_ = std::make_shared<c10d::Logger>(reducer_);
    reducer_->set_logger(logger_);
  }
}

DataParallel::DataParallel(const std::vector<at::Tensor>& parameters, const Gang& gang,
                           Options options)
    : DataParallel(Numbered(parameters), gang, options) {}

DataParallel::DataParallel(const torch::nn::Module& module, const Gang& gang, Options options)
    : DataParallel(TrainedParameters(module), gang, options) {}

DataParallel::~DataParallel() = default;

void DataParallel::BeginStep() {
  if (!reducer_) return;
  reducer_->prepare_for_forward();
  // Once, after the first step: buckets in the order in which gradients really arrive.
  if (reducer_->should_rebuild_buckets()) reducer_->rebuild_buckets();
}

void DataParallel::BeginBackward(const at::Tensor& loss) {
  if (sharded_) sharded_->BeginBackward(loss);
  if (!reducer_) return;
  // From the loss it walks over the graph.
  reducer_->prepare_for_backward(find_unused_ ? std::vector<at::Tensor>{loss}
                                              : std::vector<at::Tensor>());
}

void DataParallel::EndStep() {
  if (sharded_) sharded_->ShareWeights();
}

std::vector<ShardedTensor> DataParallel::ShardsOf(const NamedTensors& state) const {
  std::vector<ShardedTensor> shards;
  if (!sharded_) return shards;
  for (const auto& [name, tensor] : state) {
    const std::size_t dot = name.rfind('.');
    std::size_t number = 0;
    if (dot == std::string::npos ||
        std::from_chars(name.data() + dot + 1, name.data() + name.size(), number).ec !=
            std::errc()) {
      continue;
    }
    shards.push_back({.name = name,
                      .shape = sharded_->Shape(number),
                      .ranges = sharded_->Ranges(number),
                      .part = tensor});
  }
  return shards;
}

}  // namespace muster::trainer
