#pragma once

#include <ATen/core/Tensor.h>
#include <c10/util/intrusive_ptr.h>

#include <span>
#include <string>
#include <vector>

#include "runtime/base/result.h"
#include "trainer/rank_facts.h"
#include "trainer/row_order.h"

namespace c10d {
class Backend;
class ProcessGroup;
}  // namespace c10d

/// The ranks of one attempt, as seen by one of them. With one rank every method is free. Each method is
/// called by all ranks in the same order; a lost rank makes it throw (std::runtime_error, c10::Error).

namespace muster::trainer {

class Gang {
 public:
  /// One rank, no communication.
  Gang();
  /// Over a backend for tensors in host memory, and one for those on a GPU; one of them may be null. What the ranks say
  /// to each other beside tensors goes through host memory where there is a backend for it.
  explicit Gang(c10::intrusive_ptr<c10d::Backend> host,
                c10::intrusive_ptr<c10d::Backend> device = {});
  ~Gang();
  Gang(const Gang&);
  Gang(Gang&&) noexcept;
  Gang& operator=(const Gang&) = delete;

  [[nodiscard]] RankInfo rank() const { return rank_; }
  /// Nobody to speak with. A gang of one rank that has a backend is not alone: it goes through all motions.
  [[nodiscard]] bool alone() const { return !group_; }
  [[nodiscard]] bool first() const { return rank_.rank == 0; }

  /// In place: the sums over all ranks, the same bits on each.
  void Sum(std::vector<double>& values) const;
  /// The sums, on the tensor's device; nothing waits for a GPU that there is a backend for.
  [[nodiscard]] at::Tensor Sum(const at::Tensor& tensor) const;
  /// The values of rank `root` everywhere; of any element type, small tensors together.
  void Broadcast(const std::vector<at::Tensor>& tensors, std::int64_t root = 0) const;
  [[nodiscard]] std::string Broadcast(std::string text) const;
  /// Every rank's text, by rank; for short ones.
  [[nodiscard]] std::vector<std::string> AllGather(const std::string& text) const;
  /// An error of rank 0 alone must not leave the others waiting: rank 0's status, or the own one where rank
  /// 0 is well.
  [[nodiscard]] Status Share(const Status& status) const;
  /// kInvalid on every rank when some rank's facts are not rank 0's: who, and what differs.
  [[nodiscard]] Status CheckSame(const Facts& facts) const;
  void Barrier() const;
  /// Ends what a GPU's backend has begun; nothing may be called afterwards. A process that ends without it is warned.
  void Leave() const;

  /// Null when alone.
  [[nodiscard]] const c10::intrusive_ptr<c10d::ProcessGroup>& process_group() const {
    return group_;
  }

 private:
  [[nodiscard]] at::Tensor Meeting(const at::Tensor& tensor) const;
  void BroadcastGroup(std::span<const at::Tensor> tensors, std::int64_t root) const;
  RankInfo rank_;
  bool host_ = true;     ///< there is a backend for host memory
  bool device_ = false;  ///< and one for a GPU
  c10::intrusive_ptr<c10d::ProcessGroup> group_;
};

}  // namespace muster::trainer
