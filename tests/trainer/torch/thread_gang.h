#pragma once

#include <ATen/ATen.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <utility>
#include <vector>

#include "trainer/torch/gang.h"

/// A gang whose ranks are threads of the test. Sums are taken in the order of the ranks.

namespace muster::trainer {

/// Where the ranks lay down a tensor each and see those of all.
class MeetingPlace {
 public:
  explicit MeetingPlace(int ranks) : ranks_(ranks), laid_(static_cast<std::size_t>(ranks)) {}

  std::vector<at::Tensor> Exchange(int rank, const at::Tensor& mine) {
    laid_[static_cast<std::size_t>(rank)] = mine.clone();
    Arrive();
    std::vector<at::Tensor> all = laid_;
    Arrive();
    return all;
  }
  [[nodiscard]] int ranks() const { return ranks_; }

 private:
  void Arrive() {
    std::unique_lock lock(mutex_);
    const std::int64_t turn = turn_;
    if (++arrived_ == ranks_) {
      arrived_ = 0;
      ++turn_;
      changed_.notify_all();
    } else if (!changed_.wait_for(lock, std::chrono::seconds(60), [&] { return turn_ != turn; })) {
      throw std::runtime_error("a rank did not come");
    }
  }

  const int ranks_;
  std::vector<at::Tensor> laid_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int arrived_ = 0;
  std::int64_t turn_ = 0;
};

class ThreadBackend final : public c10d::Backend {
 public:
  using Tensors = std::vector<at::Tensor>;
  ThreadBackend(std::shared_ptr<MeetingPlace> place, int rank)
      : Backend(rank, place->ranks()), place_(std::move(place)) {}
  const std::string getBackendName() const override { return "threads"; }

  c10::intrusive_ptr<c10d::Work> allreduce(Tensors& tensors,
                                           const c10d::AllreduceOptions&) override {
    tensors[0].copy_(Sum(place_->Exchange(getRank(), tensors[0])));
    return Done(tensors);
  }
  c10::intrusive_ptr<c10d::Work> broadcast(Tensors& tensors,
                                           const c10d::BroadcastOptions& options) override {
    const Tensors all = place_->Exchange(getRank(), tensors[0]);
    tensors[0].copy_(all[static_cast<std::size_t>(options.rootRank)]);
    return Done(tensors);
  }
  c10::intrusive_ptr<c10d::Work> _allgather_base(at::Tensor& output, at::Tensor& input,
                                                 const c10d::AllgatherOptions&) override {
    output.copy_(at::cat(place_->Exchange(getRank(), input)));
    return Done({output});
  }
  c10::intrusive_ptr<c10d::Work> _reduce_scatter_base(at::Tensor& output, at::Tensor& input,
                                                      const c10d::ReduceScatterOptions&) override {
    const at::Tensor sum = Sum(place_->Exchange(getRank(), input));
    output.copy_(sum.narrow(0, getRank() * output.numel(), output.numel()));
    return Done({output});
  }
  c10::intrusive_ptr<c10d::Work> barrier(const c10d::BarrierOptions&) override {
    place_->Exchange(getRank(), at::zeros({1}));
    return Done({});
  }

 private:
  class Finished final : public c10d::Work {
   public:
    explicit Finished(Tensors outputs)
        : future_(c10::make_intrusive<c10::ivalue::Future>(
              c10::ListType::create(c10::TensorType::get()))) {
      future_->markCompleted(c10::IValue(std::move(outputs)));
      finish();
    }
    c10::intrusive_ptr<c10::ivalue::Future> getFuture() override { return future_; }

   private:
    c10::intrusive_ptr<c10::ivalue::Future> future_;
  };

  static at::Tensor Sum(const Tensors& all) {
    at::Tensor sum = all[0].clone();
    for (std::size_t i = 1; i < all.size(); ++i) sum += all[i];
    return sum;
  }
  static c10::intrusive_ptr<c10d::Work> Done(Tensors outputs) {
    return c10::make_intrusive<Finished>(std::move(outputs));
  }

  std::shared_ptr<MeetingPlace> place_;
};

/// Calls body(gang) on as many threads, and answers what each of them did, by rank. What one throws is thrown.
template <typename Result>
std::vector<Result> OnRanks(int ranks, const std::function<Result(const Gang&)>& body) {
  const auto place = std::make_shared<MeetingPlace>(ranks);
  std::vector<Result> results(static_cast<std::size_t>(ranks));
  std::vector<std::exception_ptr> thrown(results.size());
  {
    std::vector<std::jthread> threads;
    for (int rank = 0; rank < ranks; ++rank) {
      threads.emplace_back([&, rank] {
        const auto i = static_cast<std::size_t>(rank);
        try {
          const Gang gang(
              c10::intrusive_ptr<c10d::Backend>(c10::make_intrusive<ThreadBackend>(place, rank)));
          results[i] = body(gang);
        } catch (...) {
          thrown[i] = std::current_exception();
        }
      });
    }
  }
  for (const std::exception_ptr& one : thrown) {
    if (one) std::rethrow_exception(one);
  }
  return results;
}

}  // namespace muster::trainer
