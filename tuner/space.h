#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "runtime/base/random.h"
#include "runtime/base/result.h"
#include "tuner/constraint.h"
#include "tuner/params.h"

/// A search space: parameters with a domain each, some active only when others have given values.
///
///   lr:        {float: [1e-4, 1e-1], log: true}
///   dropout:   {float: [0, 0.5], step: 0.05}          low, low + step, ... up to high
///   batch:     {int: [16, 1024], log: true, q: 16}    multiples of q within the bounds
///   optimizer: {choice: [adamw, sgd]}
///   momentum:  {float: [0.5, 0.99], when: {optimizer: sgd}}    or  when: {optimizer: [sgd, rmsprop]}

namespace muster::tuner {

/// A float or an int. Bounds are both inside; with a step the values are low + k step.
struct NumericDomain {
  double low = 0,
         high = 1;   ///< floats: within +-1e300, low < high; ints: within +-2^53, low <= high
  double step = 0;   ///< 0: every float between; an int has at least 1; high is on a step
  bool log = false;  ///< low > 0
  bool integer = false;

  friend bool operator==(const NumericDomain&, const NumericDomain&) = default;
};
struct ChoiceDomain {
  std::vector<ParamValue> values;  ///< at least one, all different

  friend bool operator==(const ChoiceDomain&, const ChoiceDomain&) = default;
};
using Domain = std::variant<NumericDomain, ChoiceDomain>;

/// Holds when the parent, a choice, is active and has one of these of its values.
struct Condition {
  std::size_t parent = 0;            ///< index in Space::parameters(), below the child's own
  std::vector<std::size_t> choices;  ///< indices of its values

  friend bool operator==(const Condition&, const Condition&) = default;
};

struct Parameter {
  std::string name;
  Domain domain;
  std::vector<Condition> when;  ///< all must hold

  friend bool operator==(const Parameter&, const Parameter&) = default;
};

/// What samplers compute with: one coordinate a parameter, in the order of Space::parameters(). A number is on
/// the internal scale, which is the logarithm where the domain is log; a choice is its index; kInactive (NaN)
/// stands for an inactive parameter.
using Point = std::vector<double>;
inline constexpr double kInactive = std::numeric_limits<double>::quiet_NaN();

/// The internal scale of a parameter. For numbers with a step it reaches half a step beyond both bounds, so
/// that each value stands for a cell of its own: [CellLow, CellHigh].
struct Scale {
  std::size_t choices = 0;   ///< of a choice; 0: a number
  double low = 0, high = 1;  ///< of a number; low < high
  double cells = 0;          ///< how many values it has; 0: a continuum
};

/// Immutable once parsed; shared by threads freely.
class Space {
 public:
  /// The constraints were parsed for these parameters.
  explicit Space(std::vector<Parameter> parameters, std::vector<Constraint> constraints = {});

  /// Parents before children, else in the order of the file.
  [[nodiscard]] const std::vector<Parameter>& parameters() const { return parameters_; }
  [[nodiscard]] const std::vector<Scale>& scales() const { return scales_; }
  [[nodiscard]] std::size_t size() const { return parameters_.size(); }
  /// What must hold between parameters; Check, Draw and Enumerate keep them, and samplers by Allows and Repair.
  [[nodiscard]] const std::vector<Constraint>& constraints() const { return constraints_; }
  /// Whether some parameter has a condition.
  [[nodiscard]] bool conditional() const;

  /// Whether a parameter is active given the coordinates before its own.
  [[nodiscard]] bool IsActive(std::size_t parameter, const Point& point) const;
  /// Every active parameter present, of its type, inside its domain, no other, and every constraint held; else
  /// kInvalid that names the parameter or constraint, what was seen and what was wanted.
  [[nodiscard]] Status Check(const Params& params) const;
  /// For parameters that passed Check, and for those of an older version of the space: one that is not there
  /// is inactive, a number out of bounds stays out of bounds, a category that is gone is inactive.
  [[nodiscard]] Point Encode(const Params& params) const;
  /// Each number is moved to the nearest value of its domain. What `point` holds for parameters that are
  /// inactive given the others does not matter.
  [[nodiscard]] Params Decode(const Point& point) const;
  /// One coordinate of such a point, which is snapped and active.
  [[nodiscard]] ParamValue ValueAt(std::size_t parameter, double x) const;
  /// What Decode does without leaving the internal scale: each coordinate at the centre of its cell, inactive ones
  /// NaN.
  [[nodiscard]] Point Snap(Point point) const;

  /// Between the internal scale and [0, 1], for numbers; u * choices is the index, for choices.
  [[nodiscard]] double ToUnit(std::size_t parameter, double x) const;
  [[nodiscard]] double FromUnit(std::size_t parameter, double u) const;
  /// The cell [low, high] of a value on the internal scale, for a number with a step; both x otherwise.
  [[nodiscard]] std::pair<double, double> Cell(std::size_t parameter, double x) const;

  /// Whether Decode(point) keeps every constraint; at once true when there are none.
  [[nodiscard]] bool Allows(const Point& point) const;
  /// Snap(point) if Allows it, else an allowed point near it: choices are changed only where no numbers will do. A
  /// function of the point alone.
  [[nodiscard]] Point Repair(Point point) const;

  /// Draws every active parameter uniformly (log-uniformly where log). The draw of one parameter does not
  /// depend on how many others are active. With constraints: uniform over what they allow, but where that is less
  /// than about a thousandth of the space: there the last draw is repaired.
  [[nodiscard]] Point Draw(const Random& random) const;
  /// How many points there are, at most: of a space too large to list, conditions and constraints are not taken
  /// off; +infinity with a continuous float.
  [[nodiscard]] double cardinality() const { return cardinality_; }
  [[nodiscard]] bool finite() const {
    return cardinality_ < std::numeric_limits<double>::infinity();
  }
  /// A point that the constraints allow; empty when there are none, or none was found.
  [[nodiscard]] const Point& example() const { return example_; }
  /// Every allowed point, when there are at most `most` of them; empty when there are more, also when there are
  /// before the constraints on the last parameters are looked at.
  [[nodiscard]] std::vector<Point> Enumerate(std::size_t most) const;

 private:
  [[nodiscard]] double SnapNumber(std::size_t parameter, double x) const;
  [[nodiscard]] double PlainNumber(std::size_t parameter, double x) const;
  [[nodiscard]] Status CheckConstraints(const Params& params, const Point& point) const;
  [[nodiscard]] double PlainOf(std::size_t parameter, double x) const;
  [[nodiscard]] Point DrawFreely(const Random& random, std::uint64_t attempt) const;
  [[nodiscard]] bool AllowsUpTo(std::size_t parameter, const Point& point) const;
  [[nodiscard]] Point DrawNear(const Point& point, double reach, double change,
                               const Random& random, std::uint64_t draw) const;
  [[nodiscard]] Point Nearest(const Point& from, Point allowed) const;
  void FindExample();

  std::vector<Parameter> parameters_;
  std::vector<Scale> scales_;
  std::vector<Constraint> constraints_;
  double cardinality_ = 1;
  Point example_;  ///< one that the constraints allow
};

/// The space as the sweep file says it; an error names the parameter and what is wrong with it, as
/// "at lr.float[1]: ...", "at constraints[0]: ...". Constraints that no point keeps are refused with how that is
/// known: by interval arithmetic, by listing a finite space, or because none of kConstraintDraws draws kept them.
Result<std::shared_ptr<const Space>> ParseSpace(const boost::json::object& json,
                                                const std::vector<std::string>& constraints = {});
inline constexpr int kConstraintDraws = 10'000;

/// Whether every point of `older` is one of `newer` once the parameters that only `newer` has are left out: ranges
/// may widen, steps become finer, choices, parameters and constraints on new parameters be added, constraints be
/// dropped. Else kInvalid names what no longer is.
Status Widens(const Space& older, const Space& newer);

}  // namespace muster::tuner
