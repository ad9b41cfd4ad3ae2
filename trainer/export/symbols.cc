#include "trainer/export/symbols.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <map>

#include "trainer/export/export.h"

namespace muster::exporting {
namespace {

constexpr std::size_t kMaxSymbols = 4;

std::int64_t UnitsIn(const Symbol& symbol, std::size_t place, std::size_t count,
                     std::size_t trace) {
  const std::size_t check = std::size_t{1} << count;
  return symbol.units[trace == check ? 2 : trace >> place & 1];
}

/// Sizes up to the example's, which may be the largest that a table of positions has.
Status ChooseUnits(Symbol& symbol, std::int64_t size, std::int64_t place) {
  const std::int64_t units = size / symbol.multiple;
  const std::int64_t check = units - 2 - place;
  if (size % symbol.multiple != 0 || check < 2) {
    return Invalid("symbol '" + symbol.name + "' has " + std::to_string(size) +
                   " in the examples; to be varied it wants a multiple of " +
                   std::to_string(symbol.multiple) + ", at least " +
                   std::to_string((4 + place) * symbol.multiple));
  }
  symbol.units = {units, units - 1, check};
  return Ok();
}

Result<Symbol::Axis> FindAxis(const std::vector<at::Tensor>& examples,
                              const std::vector<std::string>& input_names, const std::string& input,
                              std::int64_t dimension) {
  const auto found = std::ranges::find(input_names, input);
  if (found == input_names.end()) return Invalid("dynamic_axes names '" + input + "', no input");
  const auto place = static_cast<std::size_t>(found - input_names.begin());
  if (dimension < 0 || dimension >= examples[place].dim()) {
    return Invalid("dynamic_axes names dimension " + std::to_string(dimension) + " of input '" +
                   input + "', which has " + std::to_string(examples[place].dim()));
  }
  return Symbol::Axis{place, dimension};
}

}  // namespace

Result<Symbols> DeclareSymbols(const std::vector<at::Tensor>& examples,
                               const std::vector<std::string>& input_names,
                               const ExportOptions& options) {
  std::map<std::string, std::vector<Symbol::Axis>> axes;
  if (options.dynamic_batch) {
    for (std::size_t i = 0; i < examples.size(); ++i) axes[options.batch_symbol].push_back({i, 0});
  }
  for (const auto& [input, dimensions] : options.dynamic_axes) {
    for (const auto& [dimension, symbol] : dimensions) {
      MUSTER_ASSIGN_OR_RETURN(const auto axis, FindAxis(examples, input_names, input, dimension));
      if (symbol.empty()) return Invalid("dynamic_axes has a symbol without a name");
      axes[symbol].push_back(axis);
    }
  }
  if (axes.size() > kMaxSymbols) {
    return Invalid(std::to_string(axes.size()) + " symbols; at most " +
                   std::to_string(kMaxSymbols) + " can be told apart");
  }
  Symbols symbols;
  for (auto& [name, places] : axes) {
    Symbol symbol{.name = name, .axes = std::move(places)};
    if (const auto multiple = options.multiples.find(name); multiple != options.multiples.end()) {
      symbol.multiple = std::max<std::int64_t>(multiple->second, 1);
    }
    std::int64_t size = -1;
    for (const auto& [input, dimension] : symbol.axes) {
      const std::int64_t here = examples[input].size(dimension);
      if (size < 0) size = here;
      if (here != size || size < 1) {
        return Invalid("example input " + std::to_string(input) + " has " + std::to_string(here) +
                       " in dimension " + std::to_string(dimension) +
                       "; wanted at least 1 and, as '" + name +
                       "', as many as the first of them (" + std::to_string(size) + ")");
      }
    }
    const bool batch = name == options.batch_symbol;
    if (!batch) {
      MUSTER_RETURN_IF_ERROR(ChooseUnits(symbol, size, static_cast<std::int64_t>(symbols.size())));
    }
    symbols.insert(batch ? symbols.begin() : symbols.end(), std::move(symbol));
  }
  return symbols;
}

std::size_t TraceCount(const Symbols& symbols) {
  return symbols.empty() ? 1 : (std::size_t{1} << symbols.size()) + 1;
}

std::vector<at::Tensor> Resized(const std::vector<at::Tensor>& examples, const Symbols& symbols,
                                std::size_t trace) {
  std::vector<at::Tensor> inputs;
  inputs.reserve(examples.size());
  for (const at::Tensor& example : examples) inputs.push_back(example.detach().clone());
  for (std::size_t i = 0; i < symbols.size(); ++i) {
    const std::int64_t size = UnitsIn(symbols[i], i, symbols.size(), trace) * symbols[i].multiple;
    for (const auto& [input, dimension] : symbols[i].axes) {
      at::Tensor& tensor = inputs[input];
      const at::Tensor which = at::arange(size, at::kLong).remainder(tensor.size(dimension));
      tensor = tensor.index_select(dimension, which.to(tensor.device()));
    }
  }
  return inputs;
}

std::optional<Polynomial> Fit(std::vector<std::int64_t> values, const Symbols& symbols) {
  if (std::ranges::all_of(values, [&](std::int64_t v) { return v == values[0]; })) return values[0];
  const std::size_t corners = values.size() - 1;
  const std::int64_t seen = values[corners];
  // Symbol by symbol, the values at its two sizes become those of a line: offset and slope.
  std::vector<std::int64_t> check;
  for (std::size_t i = 0; i < symbols.size(); ++i) {
    const auto [low, high, third] = symbols[i].units;
    check.push_back(third);
    for (std::size_t at = 0; at < corners; ++at) {
      if ((at >> i & 1) == 0) continue;
      std::int64_t& base = values[at ^ std::size_t{1} << i];
      const std::int64_t rise = values[at] - base;
      if (rise % (high - low) != 0) return std::nullopt;
      values[at] = rise / (high - low);
      base -= values[at] * low;
    }
  }
  Polynomial sum;
  for (std::size_t at = 0; at < corners; ++at) {
    sum += Polynomial::Product(static_cast<SymbolSet>(at), values[at]);
  }
  if (sum.At(check) != seen) return std::nullopt;
  return sum;
}

std::string Text(const Polynomial& number, const Symbols& symbols) {
  std::string text;
  for (const auto& [factors, coefficient] : number.terms) {
    std::int64_t divisor = 1;
    std::string product;
    for (std::size_t i = 0; i < symbols.size(); ++i) {
      if ((factors >> i & 1) == 0) continue;
      divisor *= symbols[i].multiple;
      product += (product.empty() ? "" : "*") + symbols[i].name;
    }
    std::int64_t factor = coefficient;
    if (factor % divisor == 0) {
      factor /= divisor;
      divisor = 1;
    }
    if (!text.empty() && factor > 0) text += "+";
    if (factor != 1) text += std::to_string(factor) + "*";
    text += product;
    if (divisor != 1) text += "/" + std::to_string(divisor);
  }
  if (text.empty()) return std::to_string(number.offset);
  if (number.offset > 0) text += "+";
  if (number.offset != 0) text += std::to_string(number.offset);
  return text;
}

}  // namespace muster::exporting
