#include "tuner/space.h"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <cmath>

#include "runtime/base/math.h"

namespace muster::tuner {
namespace {

/// Draws kept apart so that parameters never share one: more than any single draw needs.
constexpr std::uint64_t kDrawsPerParameter = 64;
/// Draws of a point until the constraints allow it, and how far apart they are: beyond what any caller uses.
constexpr std::uint64_t kAttempts = 1000, kDrawsPerAttempt = std::uint64_t{1} << 40;

double Inner(const NumericDomain& domain, double value) {
  return domain.log ? math::Log(value) : value;
}

Scale ScaleOf(const Domain& domain) {
  if (const auto* choice = std::get_if<ChoiceDomain>(&domain)) {
    return {.choices = choice->values.size()};
  }
  const auto& number = std::get<NumericDomain>(domain);
  // Half of a log scale's first step may be all of its lower bound.
  const double half = number.step / 2;
  const double low = number.log ? std::max(number.low - half, number.low / 2) : number.low - half;
  return {.low = Inner(number, low),
          .high = Inner(number, number.high + half),
          .cells = number.step > 0 ? std::round((number.high - number.low) / number.step) + 1 : 0};
}

std::size_t ChoiceOf(const ChoiceDomain& domain, const ParamValue& value) {
  return static_cast<std::size_t>(std::ranges::find(domain.values, value) - domain.values.begin());
}

/// A number of either type; NaN for another.
double NumberOf(const ParamValue& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return static_cast<double>(*integer);
  const auto* real = std::get_if<double>(&value);
  return real == nullptr ? kInactive : *real;
}

std::string Shown(const ParamValue& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return boost::json::serialize(*text);
  return ParamText(value);
}

std::string Shown(const NumericDomain& domain) {
  std::string text = domain.integer ? "an integer from " : "a number from ";
  const auto number = [&](double x) {
    return domain.integer ? std::to_string(static_cast<std::int64_t>(x)) : ParamText(x);
  };
  text += number(domain.low) + " to " + number(domain.high);
  if (domain.step > (domain.integer ? 1 : 0)) text += " in steps of " + number(domain.step);
  return text;
}

Status CheckNumber(const NumericDomain& domain, const ParamValue& value) {
  const double x = NumberOf(value);
  const bool typed = !std::isnan(x) && (!domain.integer || x == std::floor(x));
  bool inside = typed && x >= domain.low && x <= domain.high;
  if (inside && domain.step > 0) {
    const double steps = (x - domain.low) / domain.step;
    inside = std::abs(steps - std::round(steps)) < 1e-9 * std::max(1.0, std::abs(steps));
  }
  return inside ? Ok() : Status(Invalid("wanted " + Shown(domain) + ", got " + Shown(value)));
}

}  // namespace

Space::Space(std::vector<Parameter> parameters, std::vector<Constraint> constraints)
    : parameters_(std::move(parameters)), constraints_(std::move(constraints)) {
  for (const Parameter& parameter : parameters_) scales_.push_back(ScaleOf(parameter.domain));
  // Points below each value of each parameter, children first: with conditions on several parents this counts
  // some points more than once, and is then an upper bound that Enumerate makes exact.
  for (const Scale& scale : scales_) {
    const bool continuous = scale.choices == 0 && scale.cells == 0;
    cardinality_ *= continuous ? std::numeric_limits<double>::infinity()
                               : std::max(static_cast<double>(scale.choices), scale.cells);
  }
  if (!constraints_.empty()) FindExample();
}

bool Space::conditional() const {
  return std::ranges::any_of(parameters_, [](const Parameter& p) { return !p.when.empty(); });
}

bool Space::IsActive(std::size_t parameter, const Point& point) const {
  return std::ranges::all_of(parameters_[parameter].when, [&](const Condition& condition) {
    const double choice = point[condition.parent];
    return !std::isnan(choice) &&
           std::ranges::find(condition.choices, static_cast<std::size_t>(choice)) !=
               condition.choices.end();
  });
}

Status Space::Check(const Params& params) const {
  const Point point = Encode(params);
  std::size_t used = 0;
  for (std::size_t i = 0; i < size(); ++i) {
    const auto& [name, domain, when] = parameters_[i];
    const auto found = params.find(name);
    const bool active = IsActive(i, point);
    if (found == params.end()) {
      if (active) return Invalid("at " + name + ": missing");
      continue;
    }
    ++used;
    if (!active) return Invalid("at " + name + ": its `when` does not hold here; leave it out");
    if (const auto* choice = std::get_if<ChoiceDomain>(&domain)) {
      if (ChoiceOf(*choice, found->second) < choice->values.size()) continue;
      std::string wanted;
      for (const auto& value : choice->values)
        wanted += (wanted.empty() ? "" : ", ") + Shown(value);
      return Invalid("at " + name + ": wanted one of " + wanted + ", got " + Shown(found->second));
    }
    const Status status = CheckNumber(std::get<NumericDomain>(domain), found->second);
    if (!status.ok()) return status.error().With("at " + name);
  }
  for (const auto& [name, value] : params) {
    if (used == params.size()) break;
    if (std::ranges::find(parameters_, name, &Parameter::name) == parameters_.end()) {
      return Invalid("at " + name + ": the space has no such parameter");
    }
  }
  return CheckConstraints(params, point);
}

Status Space::CheckConstraints(const Params& params, const Point& point) const {
  if (constraints_.empty()) return Ok();
  Point plain = point;  // choices are indices in both
  for (std::size_t i = 0; i < size(); ++i) {
    const bool number = scales_[i].choices == 0 && !std::isnan(point[i]);
    if (number) plain[i] = NumberOf(params.at(parameters_[i].name));
  }
  for (const Constraint& constraint : constraints_) {
    if (constraint.Holds(plain)) continue;
    std::string values;
    for (const std::size_t i : constraint.mentions()) {
      const std::string& name = parameters_[i].name;
      values += (values.empty() ? "" : ", ") + name + " = " + Shown(params.at(name));
    }
    return Invalid("wanted " + constraint.text() + ", got " + values);
  }
  return Ok();
}

Point Space::Encode(const Params& params) const {
  Point point(size(), kInactive);
  for (std::size_t i = 0; i < size(); ++i) {
    const auto found = params.find(parameters_[i].name);
    if (found == params.end()) continue;
    if (const auto* choice = std::get_if<ChoiceDomain>(&parameters_[i].domain)) {
      const std::size_t index = ChoiceOf(*choice, found->second);
      if (index < choice->values.size()) point[i] = static_cast<double>(index);
      continue;
    }
    point[i] = Inner(std::get<NumericDomain>(parameters_[i].domain), NumberOf(found->second));
  }
  return point;
}

double Space::PlainNumber(std::size_t parameter, double x) const {
  const auto& domain = std::get<NumericDomain>(parameters_[parameter].domain);
  double plain = domain.log ? math::Exp(x) : x;
  if (domain.step > 0) {
    plain = domain.low + std::round((plain - domain.low) / domain.step) * domain.step;
  }
  return std::clamp(plain, domain.low, domain.high);
}

double Space::SnapNumber(std::size_t parameter, double x) const {
  const auto& domain = std::get<NumericDomain>(parameters_[parameter].domain);
  if (domain.step == 0) return std::clamp(x, scales_[parameter].low, scales_[parameter].high);
  return Inner(domain, PlainNumber(parameter, x));
}

ParamValue Space::ValueAt(std::size_t parameter, double x) const {
  if (const auto* choice = std::get_if<ChoiceDomain>(&parameters_[parameter].domain)) {
    return choice->values[static_cast<std::size_t>(x)];
  }
  const double plain = PlainNumber(parameter, x);
  if (std::get<NumericDomain>(parameters_[parameter].domain).integer) {
    return static_cast<std::int64_t>(plain);
  }
  return plain;
}

Params Space::Decode(const Point& point) const {
  Params params;
  const Point snapped = Snap(point);
  for (std::size_t i = 0; i < size(); ++i) {
    if (!std::isnan(snapped[i])) params[parameters_[i].name] = ValueAt(i, snapped[i]);
  }
  return params;
}

Point Space::Snap(Point point) const {
  for (std::size_t i = 0; i < size(); ++i) {
    if (!IsActive(i, point)) {
      point[i] = kInactive;
    } else if (scales_[i].choices > 0) {
      point[i] = std::clamp(std::floor(point[i]), 0.0, static_cast<double>(scales_[i].choices - 1));
    } else {
      point[i] = SnapNumber(i, point[i]);
    }
  }
  return point;
}

double Space::ToUnit(std::size_t parameter, double x) const {
  const Scale& scale = scales_[parameter];
  if (scale.choices > 0) return (x + 0.5) / static_cast<double>(scale.choices);
  return (x - scale.low) / (scale.high - scale.low);
}

double Space::FromUnit(std::size_t parameter, double u) const {
  const Scale& scale = scales_[parameter];
  if (scale.choices > 0) {
    return std::min(std::floor(u * static_cast<double>(scale.choices)),
                    static_cast<double>(scale.choices - 1));
  }
  return SnapNumber(parameter, scale.low + u * (scale.high - scale.low));
}

std::pair<double, double> Space::Cell(std::size_t parameter, double x) const {
  const auto& domain = std::get<NumericDomain>(parameters_[parameter].domain);
  if (domain.step == 0) return {x, x};
  const double half = domain.step / 2;
  if (!domain.log) return {x - half, x + half};
  const double plain = math::Exp(x);
  return {std::max(scales_[parameter].low, math::Log(std::max(plain - half, plain / 2))),
          math::Log(plain + half)};
}

Point Space::DrawFreely(const Random& random, std::uint64_t attempt) const {
  Point point(size(), kInactive);
  for (std::size_t i = 0; i < size(); ++i) {
    if (!IsActive(i, point)) continue;
    Random own = random;
    own.Seek(random.position() + i * kDrawsPerParameter + attempt * kDrawsPerAttempt);
    point[i] = FromUnit(i, own.Uniform());
  }
  return point;
}

Point Space::Draw(const Random& random) const {
  Point point = DrawFreely(random, 0);
  for (std::uint64_t attempt = 1; attempt < kAttempts && !Allows(point); ++attempt) {
    point = DrawFreely(random, attempt);
  }
  return Repair(std::move(point));
}

std::vector<Point> Space::Enumerate(std::size_t most) const {
  std::vector<Point> points{Point(size(), kInactive)};
  for (std::size_t i = 0; i < size(); ++i) {
    const Scale& scale = scales_[i];
    const double count = std::max(static_cast<double>(scale.choices), scale.cells);
    if (count == 0 || count > static_cast<double>(most)) return {};
    std::vector<Point> grown;
    for (auto& point : points) {
      if (!IsActive(i, point)) {
        grown.push_back(std::move(point));
        continue;
      }
      for (std::size_t place = 0; place < static_cast<std::size_t>(count); ++place) {
        const auto k = static_cast<double>(place);
        if (grown.size() >= most) return {};
        grown.push_back(point);
        const auto* number = std::get_if<NumericDomain>(&parameters_[i].domain);
        grown.back()[i] = number == nullptr ? k : Inner(*number, number->low + k * number->step);
      }
    }
    std::erase_if(grown, [&](const Point& point) { return !AllowsUpTo(i, point); });
    points = std::move(grown);
  }
  return points;
}

}  // namespace muster::tuner
