#pragma once

#include <cstdint>
#include <memory>

#include "tuner/sampler.h"
#include "tuner/samplers/random.h"

/// Sobol's low-discrepancy sequence with the direction numbers of Joe and Kuo, "Constructing Sobol sequences
/// with better two-dimensional projections" (2008; their list new-joe-kuo-6), scrambled as Burley,
/// "Practical Hash-based Owen Scrambling" (2020) does: any point at once, without state.

namespace muster::tuner {

/// Dimensions with direction numbers of their own. From there on they come again, with the points in another
/// (scrambled) order, so that two parameters are never tied together.
inline constexpr std::size_t kSobolDimensions = 96;

/// The coordinate of point `index`, in natural order: bit k of the index picks direction k. scipy and others
/// go through the same points by Gray code; their n-th is ours at n ^ (n >> 1). A multiple of 2^-32.
double PlainSobol(std::uint32_t index, std::size_t dimension);

/// The same, scrambled by the seed: uniform in (0, 1), and each 2^m points that follow one another from a
/// multiple of 2^m on still lie one in each of 2^m equal intervals. Indices repeat after 2^32.
double ScrambledSobol(std::uint64_t seed, std::uint32_t index, std::size_t dimension);

/// Trial n is point n: no shared state, and a search may be joined anywhere. Each parameter has a dimension of
/// its own, also a choice (its values are equal intervals) and one that is inactive here. What a finite space
/// has already tried is replaced by an untried point.
class SobolSampler final : public Sampler {
 public:
  explicit SobolSampler(const SearchSpec& spec)
      : space_(spec.space), seed_(spec.seed), seen_(spec.space) {}
  Result<Suggestion> Suggest(std::int64_t number, const History& history) override;
  std::string Explain(const History& history) override;

 private:
  [[nodiscard]] Point At(std::uint64_t seed, std::uint32_t index) const;

  std::shared_ptr<const Space> space_;
  std::uint64_t seed_;
  SeenPoints seen_;
};

}  // namespace muster::tuner
