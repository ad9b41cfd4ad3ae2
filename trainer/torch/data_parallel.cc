#include "trainer/torch/data_parallel.h"

#include <algorithm>
#include <torch/csrc/distributed/c10d/reducer.hpp>

namespace muster::trainer {

DataParallel::DataParallel(const std::vector<at::Tensor>& parameters, const Gang& gang)
    : DataParallel(parameters, gang, Options()) {}

DataParallel::DataParallel(const std::vector<at::Tensor>& parameters, const Gang& gang,
                           Options options) {
  if (gang.alone() || parameters.empty()) return;
  gang.Broadcast(parameters);
  const std::vector<std::size_t> limits = {static_cast<std::size_t>(options.first_bucket_bytes),
                                           static_cast<std::size_t>(options.bucket_bytes)};
  const std::vector<bool> sparse(parameters.size(), false);
  auto buckets = std::get<0>(c10d::compute_bucket_assignment_by_size(parameters, limits, sparse));
  // Backward meets the last layers first.
  std::ranges::reverse(buckets);
  reducer_ = std::make_unique<c10d::Reducer>(
      parameters, std::move(buckets), gang.process_group(), sparse, options.bucket_bytes,
      /*find_unused_parameters=*/false, /*gradient_as_bucket_view=*/true,
      /*param_names=*/std::unordered_map<std::size_t, std::string>(), options.first_bucket_bytes,
      /*skip_all_reduce_unused_params=*/false, /*use_python_reducer=*/false,
      /*bucket_bytes_cap_list=*/std::vector<std::int64_t>());
}

DataParallel::~DataParallel() = default;

void DataParallel::BeginStep() {
  if (!reducer_) return;
  reducer_->prepare_for_forward();
  // Once, after the first step: buckets in the order in which gradients really arrive.
  if (reducer_->should_rebuild_buckets()) reducer_->rebuild_buckets();
}

void DataParallel::BeginBackward() {
  if (reducer_) reducer_->prepare_for_backward({});
}

}  // namespace muster::trainer
