#include "tracker/rules.h"

#include <algorithm>
#include <boost/describe.hpp>
#include <cmath>

#include "runtime/wire/codec.h"

namespace muster::tracker {

BOOST_DESCRIBE_ENUM(RuleKind, kNan, kThreshold, kDivergence, kPlateau, kStuck, kZScore)
BOOST_DESCRIBE_STRUCT(Rule, (),
                      (name, kind, metric, experiment_id, less_is_worse, bound, points, least,
                       webhook_id, stop))
BOOST_DESCRIBE_STRUCT(Finding, (),
                      (rule, run, experiment_id, metric, value, bound, step, time_ms, text))

namespace {

constexpr std::pair<RuleKind, std::string_view> kNames[] = {
    {RuleKind::kNan, "nan"},         {RuleKind::kThreshold, "threshold"},
    {RuleKind::kPlateau, "plateau"}, {RuleKind::kDivergence, "divergence"},
    {RuleKind::kStuck, "stuck"},     {RuleKind::kZScore, "z_score"}};

constexpr std::int64_t kMostPoints = 1'000'000;
constexpr std::size_t kLongestName = 63;

bool IsName(std::string_view name) {
  return !name.empty() && name.size() <= kLongestName && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
  });
}

std::string Text(double number) {
  std::string text = std::to_string(number);
  while (text.find('.') != std::string::npos && (text.ends_with('0') || text.ends_with('.'))) {
    const bool whole = text.ends_with('.');
    text.pop_back();
    if (whole) break;
  }
  return text;
}

/// What `bound` must be; nullptr: it is right.
const char* WantedBound(const Rule& rule) {
  switch (rule.kind) {
    case RuleKind::kNan:
      return nullptr;
    case RuleKind::kThreshold:
      return std::isfinite(rule.bound) ? nullptr : "a finite number";
    case RuleKind::kPlateau:
      return std::isfinite(rule.bound) && rule.bound >= 0 ? nullptr : "at least 0";
    case RuleKind::kDivergence:
    case RuleKind::kStuck:
      return std::isfinite(rule.bound) && rule.bound > 1 ? nullptr : "more than 1";
    case RuleKind::kZScore:
      return std::isfinite(rule.bound) && rule.bound > 0 ? nullptr : "more than 0";
  }
  return nullptr;
}

}  // namespace

std::string_view RuleKindName(RuleKind kind) {
  return std::ranges::find(kNames, kind, &std::pair<RuleKind, std::string_view>::first)->second;
}

Status CheckRule(const Rule& rule) {
  if (!IsName(rule.name)) {
    return Invalid("name is '" + rule.name + "'; wanted 1 to 63 of a-z, 0-9, '.', '_' and '-'");
  }
  const bool of_each = rule.kind == RuleKind::kNan || rule.kind == RuleKind::kStuck;
  if (rule.metric.empty() && !of_each) {
    return Invalid("metric is empty; wanted the key that a " +
                   std::string(RuleKindName(rule.kind)) + " rule watches");
  }
  if (const char* wanted = WantedBound(rule)) {
    return Invalid("bound is " + Text(rule.bound) + "; wanted " + wanted + " for a " +
                   std::string(RuleKindName(rule.kind)) + " rule");
  }
  if (rule.points < 1 || rule.points > kMostPoints) {
    return Invalid("points is " + std::to_string(rule.points) + "; wanted 1 to 1000000");
  }
  if (rule.least < 0 || rule.least > kMostPoints) {
    return Invalid("least is " + std::to_string(rule.least) + "; wanted 0 to 1000000");
  }
  if (rule.kind == RuleKind::kZScore && rule.least < 2) {
    return Invalid("least is " + std::to_string(rule.least) +
                   "; wanted at least 2 other runs to compare with");
  }
  if (rule.webhook_id.empty() && !rule.stop) {
    return Invalid("neither webhook_id nor stop is given; wanted what is to follow");
  }
  return Ok();
}

std::string EncodeRule(const Rule& rule) { return wire::SerializeJson(wire::ToJson(rule)); }

Result<Rule> DecodeRule(std::string_view json) {
  return wire::Decode<Rule>(json, wire::Unknown::kRefuse);
}

std::string EncodeFinding(const Finding& finding) {
  return wire::SerializeJson(wire::ToJson(finding));
}

Result<Finding> DecodeFinding(std::string_view json) { return wire::Decode<Finding>(json); }

}  // namespace muster::tracker
