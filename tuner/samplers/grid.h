#pragma once

#include <memory>
#include <set>

#include "tuner/sampler.h"
#include "tuner/samplers/random.h"

namespace muster::tuner {

/// Every point of a finite space once, in an order that the seed shuffles: a grid that is stopped early has
/// looked everywhere a little. Points that were enqueued, or that a constraint forbids, are left out. An unconditional space is never
/// listed: a place in the order is a number in mixed radix, one digit a parameter.
class GridSampler final : public Sampler {
 public:
  /// kInvalid for a float without a step, for more than 2^53 points, and for a conditional space of more than
  /// 1,000,000 (which has to be listed).
  static Status Check(const SearchSpec& spec);

  explicit GridSampler(const SearchSpec& spec);
  Result<Suggestion> Suggest(std::int64_t number, const History& history) override;
  std::string Explain(const History& history) override;

 private:
  [[nodiscard]] Point At(std::uint64_t place) const;

  std::shared_ptr<const Space> space_;
  std::uint64_t seed_;
  SeenPoints seen_;
  std::vector<Point> listed_;  ///< of a conditional space
  std::uint64_t size_ = 0;
  std::uint64_t next_ = 0;  ///< all places before it were tried
};

}  // namespace muster::tuner
