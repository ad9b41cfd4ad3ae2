#include "tuner/samplers/grid.h"

#include <bit>

#include "runtime/base/math.h"

namespace muster::tuner {
namespace {

constexpr std::size_t kMostListed = 1'000'000;
constexpr std::uint64_t kOrder = 0x961dULL
                                 << 40;  ///< a stream of random numbers; beside trial numbers
constexpr int kRounds = 6;

std::uint64_t Mixed(std::uint64_t x, std::uint64_t key) {
  x = (x ^ key) * 0x9e3779b97f4a7c15ULL;
  x = (x ^ x >> 32) * 0xd6e8feb86659fd93ULL;
  return x ^ x >> 32;
}

std::uint64_t Radix(const Scale& scale) {
  return scale.choices > 0 ? scale.choices : static_cast<std::uint64_t>(scale.cells);
}

/// The image of `place` under a permutation of [0, size): a Feistel network over the next power of four,
/// walked until it comes back into the range (at most four steps on average).
std::uint64_t Shuffled(std::uint64_t place, std::uint64_t size, std::uint64_t seed) {
  const int half = (std::bit_width(size - 1) + 1) / 2;
  const std::uint64_t mask = (std::uint64_t{1} << half) - 1;
  do {
    std::uint64_t left = place >> half, right = place & mask;
    Random keys(seed, kOrder);
    for (int round = 0; round < kRounds; ++round) {
      const std::uint64_t swapped = left ^ (Mixed(right, keys.Next()) & mask);
      left = right;
      right = swapped;
    }
    place = left << half | right;
  } while (place >= size);
  return place;
}

}  // namespace

Status GridSampler::Check(const SearchSpec& spec) {
  const Space& space = *spec.space;
  for (std::size_t i = 0; i < space.size(); ++i) {
    if (space.scales()[i].choices == 0 && space.scales()[i].cells == 0) {
      return Invalid(
          "at " + space.parameters()[i].name +
          ": a grid cannot list a float without a step; give it a `step`, or use sampler sobol");
    }
  }
  double places = 1;
  for (const Scale& scale : space.scales()) places *= static_cast<double>(Radix(scale));
  if (!space.conditional() && places > 0x1p53) {
    return Invalid("a grid of more than 2^53 points; use sampler sobol");
  }
  if (space.conditional() && space.Enumerate(kMostListed).empty()) {
    return Invalid("a grid of a conditional space of more than 1000000 points; use sampler sobol");
  }
  return Ok();
}

GridSampler::GridSampler(const SearchSpec& spec)
    : space_(spec.space), seed_(spec.seed), seen_(spec.space) {
  if (space_->conditional()) {
    listed_ = space_->Enumerate(kMostListed);
    size_ = listed_.size();
    return;
  }
  size_ = 1;
  for (const Scale& scale : space_->scales()) size_ *= Radix(scale);
}

Point GridSampler::At(std::uint64_t place) const {
  place = Shuffled(place, size_, seed_);
  if (!listed_.empty()) return space_->Snap(listed_[place]);
  Point point(space_->size());
  for (std::size_t i = point.size(); i-- > 0;) {
    const Scale& scale = space_->scales()[i];
    const std::uint64_t radix = Radix(scale);
    const auto digit = static_cast<double>(place % radix);
    place /= radix;
    const auto* number = std::get_if<NumericDomain>(&space_->parameters()[i].domain);
    point[i] = number == nullptr ? digit : number->low + digit * number->step;
    if (number != nullptr && number->log) point[i] = math::Log(point[i]);
  }
  return space_->Snap(std::move(point));
}

Result<Suggestion> GridSampler::Suggest(std::int64_t /*number*/, const History& history) {
  seen_.Read(history);
  for (; next_ < size_; ++next_) {
    const Point point = At(next_);
    if (space_->Allows(point) && !seen_.Contains(point)) {
      return Suggestion{space_->Decode(point), "grid"};
    }
  }
  return ResourceExhausted("space exhausted: each of its points was tried once");
}

std::string GridSampler::Explain(const History& history) {
  return "grid: each of " + std::to_string(size_) +
         " points (less what constraints forbid) once, in an order shuffled by the seed; " +
         std::to_string(history.size()) + " are out";
}

}  // namespace muster::tuner
