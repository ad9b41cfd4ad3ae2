#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>

/// The names of things, each a type of its own so that none can stand where another is meant.

namespace muster {

/// An opaque string name. Empty means "none".
template <typename Tag>
struct StringId {
  std::string value;

  StringId() = default;
  explicit StringId(std::string text) : value(std::move(text)) {}
  [[nodiscard]] bool empty() const { return value.empty(); }
  friend auto operator<=>(const StringId&, const StringId&) = default;
};

/// A number given out in increasing order. 0 means "none".
template <typename Tag>
struct NumberId {
  std::int64_t value = 0;

  constexpr NumberId() = default;
  constexpr explicit NumberId(std::int64_t number) : value(number) {}
  friend constexpr auto operator<=>(const NumberId&, const NumberId&) = default;
};

/// A sweep, chosen by the client (resubmitting the same id is the same sweep) or "<name>-<n>".
using SweepId = StringId<struct SweepTag>;
/// A trial: "<sweep>/<number>", number counting from 0 within its sweep.
using TrialId = StringId<struct TrialTag>;
/// An MLflow run id: 32 lower-case hexadecimal digits.
using RunId = StringId<struct RunTag>;
/// A node, stable over restarts of its agent.
using NodeId = StringId<struct NodeTag>;
/// Nodes that were asked of a batch system together: "<pool>-<n>". Its nodes are "<allocation>.<k>", k from 0.
using AllocationId = StringId<struct AllocationTag>;
/// One start of a trial; strictly increasing over the whole life of a coordinator's database, so it
/// fences and names the attempt at once. Durable before any process starts.
using AttemptEpoch = NumberId<struct AttemptTag>;
/// One start of a coordinator on its database, strictly increasing.
using CoordinatorEpoch = NumberId<struct CoordinatorTag>;

}  // namespace muster

template <typename Tag>
struct std::hash<muster::StringId<Tag>> {
  std::size_t operator()(const muster::StringId<Tag>& id) const noexcept {
    return std::hash<std::string>()(id.value);
  }
};
template <typename Tag>
struct std::hash<muster::NumberId<Tag>> {
  std::size_t operator()(const muster::NumberId<Tag>& id) const noexcept {
    return std::hash<std::int64_t>()(id.value);
  }
};
