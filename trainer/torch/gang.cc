#include "trainer/torch/gang.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>

namespace muster::trainer {
namespace {

constexpr std::int64_t kGroupBytes = std::int64_t{16} << 20;   ///< that small tensors travel in
constexpr std::int64_t kMessageBytes = std::int64_t{1} << 30;  ///< MPI counts in int

}  // namespace

Gang::Gang() = default;
Gang::~Gang() = default;
Gang::Gang(const Gang&) = default;
Gang::Gang(Gang&&) noexcept = default;

Gang::Gang(c10::intrusive_ptr<c10d::Backend> host, c10::intrusive_ptr<c10d::Backend> device)
    : rank_{.rank = (host ? host : device)->getRank(),
            .world_size = (host ? host : device)->getSize()},
      host_(static_cast<bool>(host)),
      device_(static_cast<bool>(device)) {
  group_ = c10::make_intrusive<c10d::ProcessGroup>(static_cast<int>(rank_.rank),
                                                   static_cast<int>(rank_.world_size));
  using Type = c10d::ProcessGroup::BackendType;
  if (host) group_->setBackend(at::kCPU, Type::CUSTOM, host);
  if (device) group_->setBackend(at::kCUDA, Type::NCCL, device);
  group_->setDefaultBackend(host ? Type::CUSTOM : Type::NCCL);
}

/// The tensor, or a copy of it where a backend takes it.
at::Tensor Gang::Meeting(const at::Tensor& tensor) const {
  if (tensor.is_cpu()) return host_ ? tensor : tensor.to(at::kCUDA);
  return device_ ? tensor : tensor.cpu();
}

/// As bytes, which go whatever the element type is; MPI knows neither bool nor half.
void Gang::BroadcastGroup(std::span<const at::Tensor> tensors, std::int64_t root) const {
  c10d::BroadcastOptions options;
  options.rootRank = root;
  std::vector<at::Tensor> contiguous, bytes;
  for (const at::Tensor& tensor : tensors) {
    contiguous.push_back(tensor.detach().contiguous());
    bytes.push_back(contiguous.back().view({-1}).view(at::kByte));
  }
  const at::Tensor own = bytes.size() == 1 ? bytes[0] : at::cat(bytes);
  const at::Tensor all = Meeting(own);
  for (std::int64_t at = 0; at < all.numel(); at += kMessageBytes) {
    std::vector<at::Tensor> part{all.narrow(0, at, std::min(kMessageBytes, all.numel() - at))};
    group_->broadcast(part, options)->wait();
  }
  std::int64_t at = 0;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (!all.is_same(bytes[i])) bytes[i].copy_(all.narrow(0, at, bytes[i].numel()));
    at += bytes[i].numel();
    if (contiguous[i].data_ptr() != tensors[i].data_ptr()) {
      tensors[i].detach().copy_(contiguous[i]);
    }
  }
}

void Gang::Sum(std::vector<double>& values) const {
  if (rank_.world_size == 1) return;
  std::vector<at::Tensor> tensors{Meeting(at::tensor(values, at::kDouble))};
  group_->allreduce(tensors, {})->wait();
  const at::Tensor sums = tensors[0].cpu();
  std::memcpy(values.data(), sums.data_ptr(), values.size() * sizeof(double));
}

at::Tensor Gang::Sum(const at::Tensor& tensor) const {
  if (rank_.world_size == 1) return tensor;
  std::vector<at::Tensor> sums{Meeting(tensor).clone()};
  group_->allreduce(sums, {})->wait();
  return sums[0].to(tensor.device());
}

void Gang::Broadcast(const std::vector<at::Tensor>& tensors, std::int64_t root) const {
  if (rank_.world_size == 1) return;
  for (std::size_t from = 0; from < tensors.size();) {
    std::size_t to = from;
    for (std::size_t bytes = 0; to < tensors.size() && bytes < kGroupBytes &&
                                tensors[to].device() == tensors[from].device();
         ++to) {
      bytes += tensors[to].nbytes();
    }
    BroadcastGroup(std::span(tensors).subspan(from, to - from), root);
    from = to;
  }
}

std::string Gang::Broadcast(std::string text) const {
  if (rank_.world_size == 1) return text;
  const at::Tensor size = at::full({1}, static_cast<std::int64_t>(text.size()), at::kLong);
  Broadcast(std::vector<at::Tensor>{size});
  if (size.item<std::int64_t>() == 0) return {};  // no bytes have no address
  const at::Tensor bytes = at::zeros({size.item<std::int64_t>()}, at::kByte);
  if (first()) std::memcpy(bytes.data_ptr(), text.data(), text.size());
  Broadcast(std::vector<at::Tensor>{bytes});
  return {static_cast<const char*>(bytes.data_ptr()), static_cast<std::size_t>(bytes.numel())};
}

std::vector<std::string> Gang::AllGather(const std::string& text) const {
  const auto mine = static_cast<std::size_t>(rank_.rank);
  std::vector<double> sizes(static_cast<std::size_t>(rank_.world_size));
  sizes[mine] = static_cast<double>(text.size());
  Sum(sizes);
  std::vector<double> all;  // every text's bytes, as numbers: sums are what each backend has
  for (std::size_t rank = 0; rank < sizes.size(); ++rank) {
    const auto size = static_cast<std::size_t>(sizes[rank]);
    for (std::size_t i = 0; i < size; ++i) {
      all.push_back(rank == mine ? static_cast<unsigned char>(text[i]) : 0);
    }
  }
  if (!all.empty()) Sum(all);
  std::vector<std::string> texts(sizes.size());
  std::size_t at = 0;
  for (std::size_t rank = 0; rank < sizes.size(); ++rank) {
    for (std::size_t i = 0; i < static_cast<std::size_t>(sizes[rank]); ++i) {
      texts[rank] += static_cast<char>(all[at++]);
    }
  }
  return texts;
}

Status Gang::Share(const Status& status) const {
  if (rank_.world_size == 1) return status;
  const std::string message =
      Broadcast(first() && !status.ok()
                    ? std::string(ErrorKindName(status.error().kind)) + " " + status.error().message
                    : "");
  if (first() || message.empty()) return status;
  const std::size_t space = message.find(' ');
  return Error{ErrorKindFromName(message.substr(0, space)), "rank 0: " + message.substr(space + 1)};
}

Status Gang::CheckSame(const Facts& facts) const {
  if (rank_.world_size == 1) return Ok();
  MUSTER_ASSIGN_OR_RETURN(const Facts of_rank_0, DecodeFacts(Broadcast(EncodeFacts(facts))));
  const std::vector<std::string> differences = AllGather(FactsThatDiffer(facts, of_rank_0));
  for (std::size_t rank = 0; rank < differences.size(); ++rank) {
    if (differences[rank].empty()) continue;
    return Invalid("rank " + std::to_string(rank) +
                   " does not have what rank 0 has: " + differences[rank]);
  }
  return Ok();
}

void Gang::Barrier() const {
  if (rank_.world_size > 1) group_->barrier()->wait();
}

void Gang::Leave() const {
  if (device_) group_->getBackend(at::kCUDA)->shutdown();
}

}  // namespace muster::trainer
