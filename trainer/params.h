#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "runtime/base/result.h"

/// What a trial can be told: declared once with bounds and help, read from a sweep's parameters or from
/// flags. Pure.

namespace muster::trainer {

using ParamValue = std::variant<double, std::int64_t, std::string>;

/// One parameter. The type of `fallback` is the parameter's type.
struct ParamSpec {
  std::string name;
  ParamValue fallback;
  std::string help;  ///< a phrase, for --help
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();  ///< inclusive, as low; numbers only
  std::vector<std::string> choices;                       ///< texts only; empty: any text
};

ParamSpec FloatParam(std::string name, double fallback, double low, double high, std::string help);
ParamSpec IntParam(std::string name, std::int64_t fallback, std::int64_t low, std::int64_t high,
                   std::string help);
ParamSpec ChoiceParam(std::string name, std::vector<std::string> choices, std::string fallback,
                      std::string help);

/// The values of one trial. Asking for a name or type that was not declared is the trial's own mistake and
/// aborts.
class Params {
 public:
  [[nodiscard]] double Float(std::string_view name) const;
  [[nodiscard]] std::int64_t Int(std::string_view name) const;
  [[nodiscard]] const std::string& Text(std::string_view name) const;
  [[nodiscard]] const std::map<std::string, ParamValue, std::less<>>& values() const {
    return values_;
  }
  [[nodiscard]] boost::json::object ToJson() const;

 private:
  friend Result<Params> ReadParams(const std::vector<ParamSpec>&, const boost::json::object&);
  std::map<std::string, ParamValue, std::less<>> values_;
};

/// Every declared parameter, from `given` or its fallback; null in `given` (a parameter that is not active
/// in the sweep's space) means the fallback. A whole number stands for a float. kInvalid names an unknown
/// parameter, a wrong type or a value out of bounds, with what is wanted.
Result<Params> ReadParams(const std::vector<ParamSpec>& specs, const boost::json::object& given);

/// One flag's text as the JSON that ReadParams takes; kInvalid names the flag, the text and the bounds.
Result<boost::json::value> ParseParam(const ParamSpec& spec, std::string_view text);

/// What the training loop itself reads: the optimizer's (optimizer_spec.h), batch_size, epochs. A trial may
/// declare its own fallback or bounds under the same name.
std::vector<ParamSpec> LoopParams();
/// `own` first, then those of LoopParams that it does not declare.
std::vector<ParamSpec> WithLoopParams(std::vector<ParamSpec> own);

/// The file that MUSTER_PARAMS names.
struct TrialFile {
  boost::json::object params;
  std::map<std::string, std::string> data;  ///< role ("train", "validation", "test") -> path
  std::int64_t seed = 0;
  std::string trial;
  std::string metric = "validation/accuracy";  ///< tells the best checkpoint
  bool maximize = true;
};

/// kInvalid with the path of the wrong member.
Result<TrialFile> ReadTrialFile(std::string_view json);

}  // namespace muster::trainer
