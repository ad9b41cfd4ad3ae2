#include "tuner/random_sampler.h"

namespace muster::tuner {
namespace {

constexpr std::size_t kMostListed = 100'000;
constexpr int kRedraws = 20;
/// Far enough apart that two draws of a whole space never share a random number.
constexpr std::uint64_t kDrawsPerPoint = 1 << 16;

}  // namespace

SeenPoints::SeenPoints(const Space& space, const History& history) {
  if (!space.finite()) return;
  for (const auto& trial : history.trials) seen_.insert(trial.params);
}

Result<Params> SeenPoints::Unseen(const Space& space, Random random) const {
  auto points = space.Enumerate(kMostListed);
  if (points.empty()) return NotFound("the space cannot be listed");
  std::erase_if(points, [&](const Params& point) { return Contains(point); });
  if (points.empty()) {
    return ResourceExhausted("space exhausted: each of its points was tried once");
  }
  return points[random.Below(points.size())];
}

Result<Params> RandomSampler::Suggest(std::int64_t number, const History& history) {
  Random random(seed_, static_cast<std::uint64_t>(number));
  const SeenPoints seen(*space_, history);
  for (int redraw = 0; redraw < kRedraws; ++redraw) {
    random.Seek(static_cast<std::uint64_t>(redraw) * kDrawsPerPoint);
    Params params = space_->Draw(random);
    if (!seen.Contains(params)) return params;
  }
  auto unseen = seen.Unseen(*space_, random);
  // A huge finite space that repeats itself twenty times: the repetition is then the honest draw.
  if (!unseen.ok() && unseen.error().kind == ErrorKind::kNotFound) return space_->Draw(random);
  return unseen;
}

}  // namespace muster::tuner
