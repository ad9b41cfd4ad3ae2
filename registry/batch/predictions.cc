#include "registry/batch/predictions.h"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>
#include <charconv>
#include <cmath>
#include <cstring>
#include <set>
#include <span>

#include "registry/batch/number.h"
#include "registry/tensor_values.h"
#include "runtime/base/csv.h"

namespace muster::registry {
namespace {

struct Choice {
  std::int64_t of_class = 0;
  float probability = 0;
};

/// One score decides between 0 and 1; of several the first largest wins.
Choice Choose(std::span<const float> scores) {
  if (scores.size() == 1) {
    const double one = 1 / (1 + std::exp(-static_cast<double>(scores[0])));
    return {one > 0.5, static_cast<float>(one > 0.5 ? one : 1 - one)};
  }
  const auto best = std::ranges::max_element(scores);
  double sum = 0;
  for (const float score : scores) sum += std::exp(static_cast<double>(score) - *best);
  return {best - scores.begin(), static_cast<float>(1 / sum)};
}

std::size_t Width(const Tensor& output, std::size_t rows) {
  return rows == 0 ? 0 : output.bytes.size() / ElementSize(output.type) / rows;
}

class Writer {
 public:
  Writer(const PredictionForm& form, const RowBatch& rows, const std::vector<Tensor>& outputs)
      : form_(form), rows_(rows), outputs_(outputs) {}

  Result<Predictions> Run() {
    MUSTER_RETURN_IF_ERROR(Check());
    if (HasClasses()) scores_ = ValuesAs<float>(outputs_[0]);
    result_.classes = !scores_.empty();
    if (!form_.json_lines) MUSTER_RETURN_IF_ERROR(WriteHeader());
    for (std::size_t row = 0; row < rows_.rows(); ++row) {
      form_.json_lines ? WriteJson(row) : WriteCsv(row);
    }
    return std::move(result_);
  }

 private:
  Status Check() {
    for (const Tensor& output : outputs_) {
      const auto count = ElementCount(output.shape);
      if (output.shape.empty() || output.shape[0] != std::ssize(rows_.numbers) || !count.ok() ||
          output.bytes.size() != static_cast<std::size_t>(*count) * ElementSize(output.type)) {
        return Invalid("the model answers '" + output.name + "' " +
                       std::string(ElementTypeName(output.type)) + ShapeText(output.shape) +
                       " in " + std::to_string(output.bytes.size()) + " bytes for " +
                       std::to_string(rows_.rows()) + " rows; wanted figures for each");
      }
    }
    for (const std::string& name : form_.outputs) {
      if (name != "*" && std::ranges::count(outputs_, name, &Tensor::name) == 0) {
        return Invalid("the model has no output '" + name + "'");
      }
    }
    for (const Tensor& output : outputs_) {
      if (std::ranges::count(form_.outputs, "*") + std::ranges::count(form_.outputs, output.name) >
          0) {
        written_.push_back(&output);
      }
    }
    return Ok();
  }

  [[nodiscard]] bool HasClasses() const {
    if (form_.decision == Decision::kNone || outputs_.empty() || rows_.rows() == 0) return false;
    const Tensor& first = outputs_[0];
    const std::size_t width = Width(first, rows_.rows());
    if (FractionBits(first.type) == 0 || width == 0) return false;
    return form_.decision == Decision::kLogits ? first.shape.size() <= 2
                                               : first.shape.size() == 2 && width > 1;
  }

  Status WriteHeader() {
    std::vector<std::string> names = {"row"};
    names.insert(names.end(), form_.keep.begin(), form_.keep.end());
    if (result_.classes) names.emplace_back("class");
    if (form_.labels) names.emplace_back("label");
    if (WritesProbability()) names.emplace_back("probability");
    for (const Tensor* output : written_) {
      const std::size_t width = Width(*output, rows_.rows());
      for (std::size_t i = 0; i < width; ++i) {
        names.push_back(width == 1 ? output->name : output->name + "[" + std::to_string(i) + "]");
      }
    }
    std::set<std::string_view> seen;
    for (const std::string& name : names) {
      if (!seen.insert(name).second) {
        return Invalid("two columns of the output would be named '" + name +
                       "'; rename the one of --keep-columns, or write .jsonl");
      }
      if (seen.size() > 1) result_.header += ',';
      AppendCsv(result_.header, name);
    }
    result_.header += '\n';
    return Ok();
  }

  void WriteCsv(std::size_t row) {
    std::string& out = result_.text;
    AppendNumber(rows_.numbers[row]);
    for (std::size_t k = 0; k < form_.keep.size(); ++k) {
      out += ',';
      const std::string& cell = rows_.keep[row * form_.keep.size() + k];
      if (!cell.empty()) AppendCsv(out, cell);
    }
    const Choice choice = Decide(row);
    if (result_.classes) (out += ',', AppendNumber(choice.of_class));
    if (form_.labels) (out += ',', AppendNumber(rows_.labels[row]));
    if (WritesProbability()) (out += ',', AppendFloat(choice.probability));
    for (const Tensor* output : written_) {
      const std::size_t width = Width(*output, rows_.rows());
      for (std::size_t i = 0; i < width; ++i) {
        out += ',';
        AppendElement(out, *output, row * width + i, false);
      }
    }
    out += '\n';
  }

  void WriteJson(std::size_t row) {
    std::string& out = result_.text;
    out += R"({"row":)";
    AppendNumber(rows_.numbers[row]);
    const auto key = [&](std::string_view name) {
      out += ',' + boost::json::serialize(boost::json::string(name)) + ':';
    };
    for (std::size_t k = 0; k < form_.keep.size(); ++k) {
      key(form_.keep[k]);
      out += boost::json::serialize(boost::json::string(rows_.keep[row * form_.keep.size() + k]));
    }
    const Choice choice = Decide(row);
    if (result_.classes) (key("class"), AppendNumber(choice.of_class));
    if (form_.labels) (key("label"), AppendNumber(rows_.labels[row]));
    if (WritesProbability()) (key("probability"), AppendFloat(choice.probability));
    for (const Tensor* output : written_) {
      key(output->name);
      std::size_t at = row * Width(*output, rows_.rows());
      AppendNested(*output, 1, at);
    }
    out += "}\n";
  }

  /// Dimension `depth` and those below it, from element `at` on, which moves along.
  void AppendNested(const Tensor& output, std::size_t depth, std::size_t& at) {
    std::string& out = result_.text;
    if (depth == output.shape.size()) return AppendElement(out, output, at++, true);
    out += '[';
    for (std::int64_t i = 0; i < output.shape[depth]; ++i) {
      if (i > 0) out += ',';
      AppendNested(output, depth + 1, at);
    }
    out += ']';
  }

  Choice Decide(std::size_t row) {
    if (!result_.classes) return {};
    const std::size_t width = scores_.size() / rows_.rows();
    const Choice choice = Choose(std::span(scores_).subspan(row * width, width));
    if (form_.labels && rows_.labels[row] == choice.of_class) ++result_.correct;
    return choice;
  }

  [[nodiscard]] bool WritesProbability() const {
    return result_.classes && form_.decision == Decision::kLogits;
  }

  template <typename Integer>
  void AppendNumber(Integer number) {
    char digits[24];
    result_.text.append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
  }

  void AppendFloat(float number) {
    Tensor one{"", ElementType::kF32, {1}, std::vector<std::byte>(sizeof number)};
    std::memcpy(one.bytes.data(), &number, sizeof number);
    AppendElement(result_.text, one, 0, form_.json_lines);
  }

  const PredictionForm& form_;
  const RowBatch& rows_;
  const std::vector<Tensor>& outputs_;
  std::vector<const Tensor*> written_;
  std::vector<float> scores_;  ///< (rows, classes)
  Predictions result_;
};

}  // namespace

Result<Predictions> WritePredictions(const PredictionForm& form, const RowBatch& rows,
                                     const std::vector<Tensor>& outputs) {
  return Writer(form, rows, outputs).Run();
}

}  // namespace muster::registry
