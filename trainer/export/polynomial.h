#pragma once

#include <cstdint>
#include <map>
#include <span>

/// Integers of a traced program: sums of products of the model's symbols (batch, length, ...), with
/// integer coefficients. Private to trainer/export.

namespace muster::exporting {

/// A set of symbols, bit i standing for the i-th: the factors of a product.
using SymbolSet = unsigned;

struct Polynomial {
  std::int64_t offset = 0;                  ///< what it is where all symbols are 0
  std::map<SymbolSet, std::int64_t> terms;  ///< product of symbols -> its coefficient, never 0

  Polynomial(std::int64_t number = 0) : offset(number) {}  // NOLINT: a number is one
  static Polynomial Product(SymbolSet symbols, std::int64_t coefficient = 1);

  [[nodiscard]] bool fixed() const { return terms.empty(); }
  /// Whether it is below 0 for all sizes; -batch + 1 counts as such.
  [[nodiscard]] bool negative() const;
  /// Its value for these symbols.
  [[nodiscard]] std::int64_t At(std::span<const std::int64_t> symbols) const;

  Polynomial& operator+=(const Polynomial& other);
  friend Polynomial operator+(Polynomial a, const Polynomial& b) { return a += b; }
  friend Polynomial operator*(Polynomial a, std::int64_t factor);
  friend Polynomial operator-(Polynomial a, const Polynomial& b) { return a += b * -1; }
  friend bool operator==(const Polynomial&, const Polynomial&) = default;
  friend auto operator<=>(const Polynomial&, const Polynomial&) = default;
};

}  // namespace muster::exporting
