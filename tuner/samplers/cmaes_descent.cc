#include "tuner/samplers/cmaes_descent.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "runtime/base/math.h"

namespace muster::tuner {
namespace {

/// Streams of random numbers; beside trial numbers.
constexpr std::uint64_t kGenerations = 0xc3a0ULL << 44;
constexpr std::uint64_t kInactives = 0xc3a1ULL << 44;

constexpr double kWindow = 2;  ///< trials that the quadratic sees, by coefficients of a full one
constexpr double kFittedShare = 0.75;  ///< of those, the best that it is fitted to
constexpr std::size_t kTauTrials = 15;
constexpr double kTauToClose = 0.85, kTauToInject = 0.5;
constexpr double kTolX = 1e-11, kTolFun = 1e-12, kMaxCondition = 1e14;
constexpr double kChoiceRate = 0.3;
constexpr int kRedraws = 20;

double Reach(std::size_t n) {
  const auto d = static_cast<double>(n);
  return std::sqrt(d) + 2 * d / (d + 2);
}

}  // namespace

CmaDescent::CmaDescent(const CmaSpace& space, std::uint64_t seed, Start start,
                       const std::vector<Told>& archive)
    : space_(&space),
      seed_(seed),
      start_(std::move(start)),
      archive_(&archive),
      first_(archive.size()),
      cma_(start_.mean, start_.sigma) {
  Fill();
}

CmaSpace::Place CmaDescent::Draw(Random& random) const {
  Vector z(space_->numbers()), x;
  for (int i = 0; i < kRedraws; ++i) {
    for (double& v : z) v = random.Normal();
    x = cma_.At(z);
    if (std::ranges::all_of(x, [](double u) { return u >= 0 && u <= 1; })) break;
  }
  const double alpha = 1 / static_cast<double>(z.size() * start_.lambda);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double width = space_->CellWidth(i, cma_.mean()[i]);
    if (width == 0) continue;
    const double least = 0.5 * width / -InverseNormalCdf(0.5 * std::min(alpha, 0.5));
    const double deviation = cma_.Deviation(i);
    if (deviation < least) x[i] = cma_.mean()[i] + (x[i] - cma_.mean()[i]) * (least / deviation);
  }
  std::vector<double> choices;
  for (const Vector& p : start_.probabilities) {
    double left = random.Uniform();
    std::size_t value = 0;
    while (value + 1 < p.size() && left >= p[value]) left -= p[value++];
    choices.push_back(static_cast<double>(value));
  }
  return space_->At(std::move(x), std::move(choices));
}

void CmaDescent::Fill() {
  candidates_.clear();
  Random random(seed_, kGenerations | std::uint64_t{start_.index} << 28 | cma_.generation());
  for (std::size_t i = 0; i < start_.lambda; ++i) candidates_.push_back({.place = Draw(random)});
  if (auto minimum = ModelMinimum()) {
    candidates_[0] = {.place = std::move(*minimum), .injected = true};
  }
}

const LqModel& CmaDescent::Model() {
  const std::pair now(archive_->size(), cma_.generation());
  if (fitted_at_ == now) return quadratic_;
  fitted_at_ = now;
  data_.clear();
  const std::size_t n = space_->numbers();
  const auto full = static_cast<double>(LqModel::MostCoefficients(n));
  const auto window = static_cast<std::size_t>(kWindow * full);
  const std::size_t oldest = start_.index == 0 ? 0 : first_;
  for (std::size_t i = std::max(oldest, archive_->size() - std::min(window, archive_->size()));
       i < archive_->size(); ++i) {
    const Told& told = (*archive_)[i];
    if (IsMeasured(told.rank)) {
      data_.push_back({cma_.Whitened(told.place.x), std::get<1>(told.rank)});
    }
  }
  std::vector<const LqModel::Datum*> best;
  best.reserve(data_.size());
  for (const auto& datum : data_) best.push_back(&datum);
  std::ranges::stable_sort(best, {}, [](const auto* datum) { return datum->loss; });
  const auto use = static_cast<std::size_t>(
      std::max(1.1 * full + 1, kFittedShare * (static_cast<double>(best.size()) + 1)));
  if (best.size() > use) best.resize(use);
  quadratic_.Fit(best);
  return quadratic_;
}

double CmaDescent::Tau() const {
  const std::size_t count = std::min(data_.size(), kTauTrials);
  if (count < 4) return 0;
  const auto last = std::span(data_).last(count);
  std::vector<double> fitted;
  for (const auto& datum : last) fitted.push_back(quadratic_.At(datum.z));
  double agree = 0;
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      const double product = (fitted[i] - fitted[j]) * (last[i].loss - last[j].loss);
      agree += product > 0 ? 1 : product < 0 ? -1 : 0;
    }
  }
  return 2 * agree / static_cast<double>(count * (count - 1));
}

std::optional<CmaSpace::Place> CmaDescent::ModelMinimum() {
  if (space_->choices() > 0) return std::nullopt;
  const LqModel& quadratic = Model();
  if (!quadratic.fitted() || !quadratic.curved() || Tau() <= kTauToInject) return std::nullopt;
  auto place = space_->At(cma_.Colored(quadratic.Minimum(Reach(space_->numbers()))), {});
  // Tried once is enough, however often the quadratic comes back to it.
  const std::size_t seen = std::min(archive_->size(), data_.size());
  for (std::size_t i = archive_->size() - seen; i < archive_->size(); ++i) {
    if (SamePoint((*archive_)[i].place.point, place.point)) return std::nullopt;
  }
  return place;
}

const CmaDescent::Candidate* CmaDescent::Next(const std::function<bool(const Point&)>& allowed) {
  const LqModel* quadratic = space_->choices() == 0 && Model().fitted() ? &quadratic_ : nullptr;
  const Candidate* best = nullptr;
  double least = 0;
  for (const Candidate& candidate : candidates_) {
    if (candidate.taken || !allowed(candidate.place.point)) continue;
    const double value = quadratic == nullptr ? 0 : quadratic->At(cma_.Whitened(candidate.place.x));
    if (best == nullptr || value < least) {
      best = &candidate;
      least = value;
    }
  }
  return best;
}

void CmaDescent::Take(const Point& point) {
  const auto found = std::ranges::find_if(candidates_, [&](const Candidate& candidate) {
    return !candidate.taken && SamePoint(candidate.place.point, point);
  });
  if (found != candidates_.end()) found->taken = true;
}

void CmaDescent::Tell() {
  const Told& told = archive_->back();
  const auto own = std::ranges::find_if(candidates_, [&](const Candidate& candidate) {
    return candidate.taken && !candidate.rank && SamePoint(candidate.place.point, told.place.point);
  });
  if (own != candidates_.end()) {
    own->rank = told.rank;
  } else {
    late_.push_back(archive_->size() - 1);
  }
  std::size_t ended = late_.size();
  for (const Candidate& candidate : candidates_) ended += candidate.rank ? 1 : 0;
  if (ended >= start_.lambda) {
    Close(false);
  } else if (space_->choices() == 0 && Model().fitted() && Tau() >= kTauToClose) {
    Close(true);
  }
}

Vector CmaDescent::Filled(const Told& told) const {
  Vector x = told.place.x;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (!std::isnan(x[i])) continue;
    Random random(seed_, kInactives | static_cast<std::uint64_t>(std::get<3>(told.rank)));
    random.Seek(i);
    x[i] = cma_.mean()[i] + cma_.Deviation(i) * random.Normal();
  }
  return x;
}

void CmaDescent::Close(bool by_model) {
  struct Entry {
    double value = 0;
    Rank rank;
    CmaModel::Ranked point;
    const CmaSpace::Place* place = nullptr;
  };
  std::vector<Entry> entries;
  const auto add = [&](const Told& told, bool injected, bool measured) {
    Entry& entry = entries.emplace_back();
    entry.rank = told.rank;
    entry.point = {Filled(told), injected};
    entry.place = &told.place;
    if (!by_model) return;
    entry.value = measured ? quadratic_.At(cma_.Whitened(told.place.x))
                           : std::numeric_limits<double>::infinity();
  };
  std::vector<Told> own;
  own.reserve(candidates_.size());
  for (const Candidate& candidate : candidates_) {
    if (!candidate.rank && !by_model) continue;
    own.push_back({candidate.place, candidate.rank.value_or(Rank{})});
    add(own.back(), candidate.injected, !candidate.rank || IsMeasured(*candidate.rank));
    used_ += candidate.rank ? 1 : 0;
  }
  for (const std::size_t i : late_) {
    const Told& told = (*archive_)[i];
    add(told, true, IsMeasured(told.rank));
  }
  used_ += late_.size();
  late_.clear();
  std::ranges::stable_sort(entries, [](const Entry& a, const Entry& b) {
    return std::tie(a.value, a.rank) < std::tie(b.value, b.rank);
  });
  std::vector<CmaModel::Ranked> points;
  std::vector<const CmaSpace::Place*> places;
  for (Entry& entry : entries) {
    points.push_back(std::move(entry.point));
    places.push_back(entry.place);
  }
  cma_.Update(points);
  MoveChoices(places);
  Fill();
}

void CmaDescent::MoveChoices(const std::vector<const CmaSpace::Place*>& ranked) {
  const CmaConstants constants(1, ranked.size());
  const auto count = static_cast<double>(start_.probabilities.size());
  for (std::size_t c = 0; c < start_.probabilities.size(); ++c) {
    Vector& p = start_.probabilities[c];
    const auto values = static_cast<double>(p.size());
    if (p.size() == 1) continue;
    for (std::size_t j = 0; j < constants.mu; ++j) {
      const double chosen = ranked[j]->choices[c];
      if (std::isnan(chosen)) continue;
      for (std::size_t v = 0; v < p.size(); ++v) {
        const double hit = static_cast<double>(v) == chosen ? 1 : 0;
        p[v] += kChoiceRate * constants.weights[j] * (hit - p[v]);
      }
    }
    // The margin: all choices together are at their likeliest with a probability of at most 0.73.
    const double margin = (1 - math::Pow(0.73, 1 / count)) / (values - 1);
    double over = 0;
    for (double& v : p) v = std::max(v, margin);
    for (const double v : p) over += v - margin;
    for (double& v : p) v = margin + (v - margin) * (1 - values * margin) / over;
  }
}

bool CmaDescent::Ended() const {
  if (told() == 0) return false;
  if (!(cma_.condition() < kMaxCondition) || !std::isfinite(cma_.sigma())) return true;
  double widest = 0;
  for (std::size_t i = 0; i < space_->numbers(); ++i) {
    // Far below its cell, a number with a step moves by its margin alone.
    const double cell = space_->CellWidth(i, cma_.mean()[i]);
    widest = std::max(widest, cma_.Deviation(i) / (cell > 0 ? 0.05 * cell : kTolX));
  }
  if (widest < 1) return true;
  const std::size_t recent = 10 + 3 * space_->numbers();
  if (told() < recent) return false;
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (std::size_t i = archive_->size() - recent; i < archive_->size(); ++i) {
    if (!IsMeasured((*archive_)[i].rank)) return false;
    const double loss = std::get<1>((*archive_)[i].rank);
    low = std::min(low, loss);
    high = std::max(high, loss);
  }
  return high - low <= kTolFun * std::max(std::abs(low), std::abs(high));
}

}  // namespace muster::tuner
