#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "runtime/base/random.h"
#include "tuner/search.h"

/// A search space: parameters with a domain each, some active only when others have given values.
///
///   lr:        {float: [1e-4, 1e-1], log: true}
///   width:     {int: [16, 128], step: 16}
///   optimizer: {choice: [adamw, sgd]}
///   momentum:  {float: [0.5, 0.99], when: {optimizer: sgd}}    or  when: {optimizer: [sgd, rmsprop]}

namespace muster::tuner {

struct FloatDomain {
  double low = 0, high = 1;  ///< both inside, within +-1e300; low < high; above 0 when log
  bool log = false;
};
struct IntDomain {
  std::int64_t low = 0,
               high = 1;  ///< both inside, within +-2^53; low <= high; apart by whole steps
  std::int64_t step = 1;
  bool log = false;  ///< only with step 1 and low > 0
};
struct ChoiceDomain {
  std::vector<ParamValue> values;  ///< at least one, all different
};
using Domain = std::variant<FloatDomain, IntDomain, ChoiceDomain>;

/// Holds when the parent parameter is active and has one of these values.
struct Condition {
  std::size_t parent = 0;  ///< index in Space::parameters(), below the child's own
  std::vector<ParamValue> values;
};

struct Parameter {
  std::string name;
  Domain domain;
  std::vector<Condition> when;  ///< all must hold
};

/// Immutable once parsed; shared by threads freely.
class Space {
 public:
  explicit Space(std::vector<Parameter> parameters) : parameters_(std::move(parameters)) {}

  /// Parents before children, else in the order of the file.
  [[nodiscard]] const std::vector<Parameter>& parameters() const { return parameters_; }
  [[nodiscard]] bool IsActive(std::size_t parameter, const Params& params) const;
  /// Draws every active parameter uniformly (log-uniformly where log). The draw of one parameter does
  /// not depend on how many others are active.
  [[nodiscard]] Params Draw(const Random& random) const;
  /// Without a float: its points can be told apart and listed.
  [[nodiscard]] bool finite() const;
  /// Every point, when there are at most `most` of them; empty when there are more, or a float.
  [[nodiscard]] std::vector<Params> Enumerate(std::size_t most) const;

 private:
  std::vector<Parameter> parameters_;
};

/// One value from a domain, uniform on its scale.
ParamValue DrawValue(const Domain& domain, Random& random);

}  // namespace muster::tuner
