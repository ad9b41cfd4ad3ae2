#pragma once

#include <cstdint>
#include <vector>

#include "registry/inference_engine.h"
#include "registry/statistics/interval.h"
#include "registry/statistics/sequential.h"
#include "runtime/base/result.h"

/// How far the answers of two versions to the same requests lie apart: what a shadow is watched for. Pure.

namespace muster::registry {

/// One thread at a time.
class OutputDifference {
 public:
  /// Floats agree within `tolerance`, relative to the larger of 1 and the champion's; of rows of several floats it is
  /// also asked where their largest stands.
  explicit OutputDifference(double tolerance = 1e-3) : tolerance_(tolerance) {}

  /// Outputs by name, any order. An output that one lacks or that has another shape or type: no row of the request agrees.
  void Add(const std::vector<Tensor>& champion, const std::vector<Tensor>& challenger);
  /// The challenger gave no answer.
  void AddFailure(std::int64_t rows);

  struct Figures {
    statistics::Rate same;  ///< rows whose every output agrees
    statistics::Rate
        largest;  ///< rows of several floats whose largest is the same one: of logits, the same class
    statistics::Interval same_interval, largest_interval;  ///< hold at all times, 95 %
    double mean_difference = 0;  ///< over the finite numbers of all rows, absolute; 0 without any
    double max_difference = 0;
  };
  [[nodiscard]] Figures figures() const;

 private:
  void AddTensor(const Tensor& champion, const Tensor& challenger, std::vector<char>& same);

  const double tolerance_;
  statistics::Rate same_, largest_;
  std::int64_t numbers_ = 0;
  double sum_ = 0, max_ = 0;
};

}  // namespace muster::registry
