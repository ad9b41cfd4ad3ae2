#include "tuner/space.h"

#include <algorithm>
#include <cmath>

namespace muster::tuner {
namespace {

/// Draws kept apart so that parameters never share one: more than any single draw needs.
constexpr std::uint64_t kDrawsPerParameter = 64;

bool Contains(const std::vector<ParamValue>& values, const ParamValue& value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

/// The values of a finite domain; empty for floats and for ranges beyond `most`.
std::vector<ParamValue> Values(const Domain& domain, std::size_t most) {
  if (const auto* choice = std::get_if<ChoiceDomain>(&domain)) return choice->values;
  std::vector<ParamValue> values;
  const auto* range = std::get_if<IntDomain>(&domain);
  if (range == nullptr) return values;
  if (static_cast<std::uint64_t>((range->high - range->low) / range->step) >= most) return values;
  for (std::int64_t v = range->low; v <= range->high; v += range->step) values.emplace_back(v);
  return values;
}

}  // namespace

bool Space::IsActive(std::size_t parameter, const Params& params) const {
  return std::all_of(parameters_[parameter].when.begin(), parameters_[parameter].when.end(),
                     [&](const Condition& condition) {
                       const auto found = params.find(parameters_[condition.parent].name);
                       return found != params.end() && Contains(condition.values, found->second);
                     });
}

ParamValue DrawValue(const Domain& domain, Random& random) {
  if (const auto* choice = std::get_if<ChoiceDomain>(&domain)) {
    return choice->values[random.Below(choice->values.size())];
  }
  if (const auto* range = std::get_if<IntDomain>(&domain)) {
    if (!range->log) {
      const auto count = static_cast<std::uint64_t>((range->high - range->low) / range->step) + 1;
      return range->low + static_cast<std::int64_t>(random.Below(count)) * range->step;
    }
    const double drawn = random.Uniform(std::log(static_cast<double>(range->low) - 0.5),
                                        std::log(static_cast<double>(range->high) + 0.5));
    return std::clamp(static_cast<std::int64_t>(std::llround(std::exp(drawn))), range->low,
                      range->high);
  }
  const auto& real = std::get<FloatDomain>(domain);
  if (!real.log) return random.Uniform(real.low, real.high);
  return std::clamp(std::exp(random.Uniform(std::log(real.low), std::log(real.high))), real.low,
                    real.high);
}

Params Space::Draw(const Random& random) const {
  Params params;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    if (!IsActive(i, params)) continue;
    Random own = random;
    own.Seek(random.position() + i * kDrawsPerParameter);
    params[parameters_[i].name] = DrawValue(parameters_[i].domain, own);
  }
  return params;
}

bool Space::finite() const {
  return std::ranges::none_of(parameters_, [](const Parameter& parameter) {
    return std::holds_alternative<FloatDomain>(parameter.domain);
  });
}

std::vector<Params> Space::Enumerate(std::size_t most) const {
  std::vector<Params> points{{}};
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const auto values = Values(parameters_[i].domain, most);
    if (values.empty()) return {};
    std::vector<Params> grown;
    for (auto& point : points) {
      if (!IsActive(i, point)) {
        grown.push_back(std::move(point));
        continue;
      }
      for (const auto& value : values) {
        if (grown.size() >= most) return {};
        grown.push_back(point);
        grown.back()[parameters_[i].name] = value;
      }
    }
    points = std::move(grown);
  }
  return points;
}

}  // namespace muster::tuner
