#include "tuner/samplers/random.h"

#include <cmath>

namespace muster::tuner {
namespace {

constexpr std::size_t kMostListed = 100'000;
constexpr int kRedraws = 20;
/// Far enough apart that two draws of a whole space never share a random number.
constexpr std::uint64_t kDrawsPerPoint = 1 << 16;

Point Ordered(Point point) {
  for (double& x : point) x = std::isnan(x) ? -1e308 : x;
  return point;
}

}  // namespace

void SeenPoints::Read(const History& history) {
  if (!space_->finite()) return;
  for (; read_ < history.trials().size(); ++read_) {
    seen_.insert(Ordered(space_->Snap(space_->Encode(history.trials()[read_].params))));
  }
}

bool SeenPoints::Contains(const Point& point) const { return seen_.contains(Ordered(point)); }

Result<Point> SeenPoints::Unseen(Random random) const {
  auto points = space_->Enumerate(kMostListed);
  if (points.empty()) return NotFound("the space cannot be listed");
  std::erase_if(points, [&](const Point& point) { return Contains(space_->Snap(point)); });
  if (points.empty()) {
    return ResourceExhausted("space exhausted: each of its points was tried once");
  }
  return points[random.Below(points.size())];
}

Result<Suggestion> RandomSampler::Suggest(std::int64_t number, const History& history) {
  Random random(seed_, static_cast<std::uint64_t>(number));
  seen_.Read(history);
  for (int redraw = 0; redraw < kRedraws; ++redraw) {
    random.Seek(static_cast<std::uint64_t>(redraw) * kDrawsPerPoint);
    const Point point = space_->Draw(random);
    if (!seen_.Contains(point)) return Suggestion{space_->Decode(point), "random"};
  }
  auto unseen = seen_.Unseen(random);
  if (unseen.ok()) return Suggestion{space_->Decode(*unseen), "random"};
  if (unseen.error().kind != ErrorKind::kNotFound) return unseen.error();
  // A huge finite space that repeats itself twenty times: the repetition is then the honest draw.
  return Suggestion{space_->Decode(space_->Draw(random)), "random"};
}

std::string RandomSampler::Explain(const History& /*history*/) {
  return "random: uniform over the space, whatever came out before";
}

}  // namespace muster::tuner
