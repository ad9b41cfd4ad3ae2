#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <numeric>
#include <optional>

#include "registry/metric_family.h"
#include "runtime/base/check.h"

namespace muster::registry {
namespace {

struct Family {
  Task task;
  std::string_view name;
  std::span<const Figure> (*figures)();
};
constexpr std::array kFamilies{Family{Task::kClasses, "classes", ClassFigures},
                               Family{Task::kTokens, "tokens", TokenFigures},
                               Family{Task::kBinary, "binary", BinaryFigures},
                               Family{Task::kRegression, "regression", RegressionFigures},
                               Family{Task::kRetrieval, "retrieval", RetrievalFigures}};

const Family& FamilyOf(Task task) {
  for (const Family& family : kFamilies) {
    if (family.task == task) return family;
  }
  MUSTER_CHECK(false, "every task has a family");
  return kFamilies[0];
}

struct Named {
  const Figure* figure;
  std::int64_t k = 0;
};

/// "test/recall_at_10" among the figures of a family.
std::optional<Named> Find(std::span<const Figure> figures, std::string_view metric) {
  const std::string_view last = metric.substr(metric.rfind('/') + 1);
  for (const Figure& figure : figures) {
    if (figure.name == last) {
      if (!figure.name.ends_with("_at_")) return Named{&figure};
    } else if (figure.name.ends_with("_at_") && last.starts_with(figure.name)) {
      std::int64_t k = 0;
      const auto [end, error] =
          std::from_chars(last.data() + figure.name.size(), last.data() + last.size(), k);
      if (error == std::errc() && end == last.data() + last.size() && k > 0) {
        return Named{&figure, k};
      }
    }
  }
  return std::nullopt;
}

std::string NamesOf(const Family& family) {
  std::string names;
  for (const Figure& figure : family.figures()) {
    names += (names.empty() ? "" : ", ") + std::string(figure.name) +
             (figure.name.ends_with("_at_") ? "<k>" : "");
  }
  return names;
}

Error Unknown(std::string_view metric, const std::string& wanted) {
  return Invalid("metric '" + std::string(metric) +
                 "' cannot be computed from held-out rows; wanted a name that ends in " + wanted);
}

}  // namespace

std::string_view TaskName(Task task) { return FamilyOf(task).name; }

Result<Task> TaskFromName(std::string_view name) {
  std::string known;
  for (const Family& family : kFamilies) {
    if (family.name == name) return family.task;
    (known += known.empty() ? "" : ", ") += family.name;
  }
  return Invalid("task '" + std::string(name) + "' is none of " + known);
}

Result<double> ComputeMetric(std::string_view metric, const std::vector<float>& logits,
                             const Evaluation& evaluation, std::span<const std::int64_t> rows) {
  MUSTER_CHECK(logits.size() == evaluation.reference.size(), "outputs are (N, W)");
  const Family& family = FamilyOf(evaluation.task);
  const auto named = Find(family.figures(), metric);
  if (!named) {
    return Unknown(metric, NamesOf(family) + ", the figures of " + std::string(family.name));
  }
  return named->figure->compute({evaluation, logits, rows, named->k});
}

Result<double> ComputeMetric(std::string_view metric, const std::vector<float>& logits,
                             const Evaluation& evaluation) {
  std::vector<std::int64_t> rows(static_cast<std::size_t>(evaluation.rows()));
  std::iota(rows.begin(), rows.end(), 0);
  return ComputeMetric(metric, logits, evaluation, rows);
}

Result<bool> HigherIsBetter(std::string_view metric) {
  std::string known;
  for (const Family& family : kFamilies) {
    if (const auto named = Find(family.figures(), metric)) return named->figure->higher_is_better;
    known += (known.empty() ? "" : "; ") + std::string(family.name) + ": " + NamesOf(family);
  }
  return Unknown(metric, "one of these, by task: " + known);
}

Agreement AgreementOf(const std::vector<float>& a, const std::vector<float>& b,
                      const Evaluation& evaluation) {
  MUSTER_CHECK(a.size() == b.size() && !a.empty(), "both are (N, W)");
  if (evaluation.task == Task::kRegression || evaluation.task == Task::kRetrieval) {
    return {evaluation.rows(), evaluation.rows()};
  }
  const auto classes = static_cast<std::ptrdiff_t>(evaluation.classes);
  const auto decision = [&](std::vector<float>::const_iterator first) -> std::ptrdiff_t {
    if (std::any_of(first, first + classes, [](float x) { return std::isnan(x); })) return -1;
    if (evaluation.task != Task::kBinary) return std::max_element(first, first + classes) - first;
    const double logit = classes == 1 ? double{*first} : double{first[1]} - double{first[0]};
    return 1 / (1 + std::exp(-logit)) > evaluation.threshold ? 1 : 0;
  };
  Agreement agreement;
  for (auto x = a.begin(), y = b.begin(); x != a.end(); x += classes, y += classes) {
    const std::ptrdiff_t of_a = decision(x);
    agreement.same += of_a >= 0 && of_a == decision(y) ? 1 : 0;
    ++agreement.all;
  }
  return agreement;
}

}  // namespace muster::registry
