#include "registry/batch/table.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

#include "registry/batch/number.h"

namespace muster::registry {
namespace {

constexpr std::size_t kNamesShown = 5;

std::string Some(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < kNamesShown; ++i) {
    text += (i == 0 ? "'" : ", '") + names[i] + "'";
  }
  if (names.size() > kNamesShown) {
    text += " and " + std::to_string(names.size() - kNamesShown) + " more";
  }
  return text;
}

/// -1: open.
std::int64_t RowElements(const TensorSpec& spec) {
  std::int64_t count = 1;
  for (std::size_t i = 1; i < spec.shape.size(); ++i) {
    if (spec.shape[i] < 0) return -1;
    count *= spec.shape[i];
  }
  return count;
}

class LayoutMaker {
 public:
  LayoutMaker(std::vector<std::string> columns, const std::vector<TensorSpec>& specs)
      : specs_(specs) {
    layout_.columns = std::move(columns);
  }

  Result<TableLayout> Make(bool header, const TableOptions& options) {
    std::vector<std::string> sorted = layout_.columns;
    std::ranges::sort(sorted);
    const auto twice = std::ranges::adjacent_find(sorted);
    if (twice != sorted.end()) return Invalid("column '" + *twice + "' is there twice");
    MUSTER_ASSIGN_OR_RETURN(layout_.keep, Columns(options.keep));
    layout_.labels = Find(options.labels);
    MUSTER_RETURN_IF_ERROR(FindInputs(header, options));
    return std::move(layout_);
  }

 private:
  [[nodiscard]] std::optional<std::size_t> Find(const std::string& name) const {
    const auto found = std::ranges::find(layout_.columns, name);
    if (found == layout_.columns.end()) return std::nullopt;
    return static_cast<std::size_t>(found - layout_.columns.begin());
  }

  [[nodiscard]] Result<std::vector<std::size_t>> Columns(
      const std::vector<std::string>& names) const {
    std::vector<std::size_t> found;
    std::vector<std::string> missing;
    for (const std::string& name : names) {
      const auto column = Find(name);
      if (!column) missing.push_back(name);
      found.push_back(column.value_or(0));
    }
    if (missing.empty()) return found;
    return Invalid("there is no column " + Some(missing) + "; there are " + Some(layout_.columns));
  }

  Status FindInputs(bool header, const TableOptions& options) {
    if (!options.inputs.empty()) {
      if (specs_.size() != 1) {
        return Invalid("columns are named for one input, the model has " + NamesText(specs_));
      }
      MUSTER_ASSIGN_OR_RETURN(auto cells, Columns(options.inputs));
      return Add(specs_[0], std::move(cells));
    }
    MUSTER_ASSIGN_OR_RETURN(const bool by_name, ByName());
    if (by_name) return Ok();
    if (specs_.size() != 1) {
      return Invalid("the model has the inputs " + NamesText(specs_) +
                     "; name their columns like x[0], x[1], ..., or x where a row has one number");
    }
    std::vector<std::size_t> cells(layout_.columns.size());
    std::iota(cells.begin(), cells.end(), std::size_t{0});
    std::erase_if(cells, [&](std::size_t cell) {
      return cell == layout_.labels || std::ranges::count(layout_.keep, cell) > 0;
    });
    const std::int64_t wanted = RowElements(specs_[0]);
    if (!header && std::ssize(cells) == wanted + 1) {
      layout_.labels = cells.back();
      cells.pop_back();
    }
    return Add(specs_[0], std::move(cells));
  }

  /// False when no column has an input's name.
  Result<bool> ByName() {
    std::vector<std::string> missing;
    bool any = false;
    for (const TensorSpec& spec : specs_) {
      std::vector<std::size_t> cells;
      const std::int64_t elements = RowElements(spec);
      if (elements == 1 && Find(spec.name)) {
        cells.push_back(*Find(spec.name));
      } else {
        MUSTER_ASSIGN_OR_RETURN(cells, Elements(spec, elements, missing));
      }
      any = any || !cells.empty();
      if (!cells.empty()) MUSTER_RETURN_IF_ERROR(Add(spec, std::move(cells)));
    }
    if (!any) return false;
    if (!missing.empty()) return Invalid("there is no column " + Some(missing));
    return true;
  }

  /// "x[0]", "x[1]", ... as far as they go, or as the model wants them.
  Result<std::vector<std::size_t>> Elements(const TensorSpec& spec, std::int64_t wanted,
                                            std::vector<std::string>& missing) {
    if (names_.empty()) {
      for (std::size_t i = 0; i < layout_.columns.size(); ++i)
        names_.insert({layout_.columns[i], i});
    }
    std::vector<std::size_t> cells;
    std::vector<std::string> without;
    for (std::int64_t i = 0; wanted < 0 || i < wanted; ++i) {
      const std::string name = spec.name + "[" + std::to_string(i) + "]";
      const auto found = names_.find(name);
      if (found != names_.end()) {
        cells.push_back(found->second);
      } else if (wanted < 0) {
        break;
      } else {
        without.push_back(name);
      }
    }
    if (cells.empty()) without = {spec.name + (wanted == 1 ? "" : "[0]")};
    missing.insert(missing.end(), without.begin(), without.end());
    if (!without.empty() && !cells.empty()) {
      return Invalid("there is no column " + Some(without) + ", which input '" + spec.name +
                     "' has after " + ShapeText(spec.shape));
    }
    return cells;
  }

  Status Add(const TensorSpec& spec, std::vector<std::size_t> cells) {
    TableLayout::Input input{spec.name, spec.type, {}, std::move(cells)};
    if (!spec.shape.empty()) input.row_shape.assign(spec.shape.begin() + 1, spec.shape.end());
    const auto count = static_cast<std::int64_t>(input.cells.size());
    const auto open = std::ranges::count_if(input.row_shape, [](auto size) { return size < 0; });
    if (open == 1) {
      std::int64_t others = 1;
      for (const auto size : input.row_shape) others *= size < 0 ? 1 : size;
      if (others > 0 && count % others == 0) {
        std::ranges::replace_if(
            input.row_shape, [](auto size) { return size < 0; }, count / others);
      }
    }
    const auto elements = ElementCount(input.row_shape);
    if (!elements.ok() || *elements != count) {
      return Invalid("input '" + spec.name + "' is " + ShapeText(spec.shape) + ", which " +
                     std::to_string(count) + " columns do not fill" +
                     (open == 0 && elements.ok()
                          ? "; wanted " + std::to_string(*elements) +
                                " (of a label or an id, say so with --labels or --keep-columns)"
                          : ""));
    }
    layout_.inputs.push_back(std::move(input));
    return Ok();
  }

  const std::vector<TensorSpec>& specs_;
  TableLayout layout_;
  std::map<std::string, std::size_t> names_;
};

}  // namespace

bool IsHeader(const std::vector<std::string_view>& cells) {
  std::byte number[8];
  return std::ranges::none_of(cells, [&](std::string_view cell) {
    return ParseElement(cell, ElementType::kF64, number).ok();
  });
}

Result<TableLayout> LayoutOf(std::vector<std::string> columns, bool header,
                             const std::vector<TensorSpec>& specs, const TableOptions& options) {
  return LayoutMaker(std::move(columns), specs).Make(header, options);
}

}  // namespace muster::registry
