#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "registry/onnx/graph.h"

/// Whole numbers that are known, known but for symbols, or not known: dimensions, and what int64 tensors of
/// shape arithmetic hold.

namespace muster::onnx {

/// A polynomial in symbols with whole coefficients: 7, "batch", "4*batch*time-1". Two are equal when they are the
/// same polynomial. A symbol that is not written so ("floor(L/2)") is one of its own.
class Symbolic {
 public:
  explicit Symbolic(std::int64_t constant);
  static Symbolic Of(const std::string& text);

  [[nodiscard]] std::optional<std::int64_t> constant() const;  ///< when no symbol is in it
  /// "batch*time-1": highest degrees first; Of reads it back.
  [[nodiscard]] std::string text() const;
  /// Its value when each symbol is `value`; nothing when that exceeds 64 bits.
  [[nodiscard]] std::optional<std::int64_t> At(std::int64_t value) const;
  friend bool operator==(const Symbolic&, const Symbolic&) = default;

 private:
  /// Factors, sorted; the empty one is the constant's.
  using Monomial = std::vector<std::string>;
  friend std::optional<Symbolic> Add(const std::optional<Symbolic>&,
                                     const std::optional<Symbolic>&);
  friend std::optional<Symbolic> Multiply(const std::optional<Symbolic>&,
                                          const std::optional<Symbolic>&);
  friend std::optional<Symbolic> FloorDivide(const std::optional<Symbolic>&, std::int64_t);
  friend std::optional<Symbolic> DivideExactly(const std::optional<Symbolic>&,
                                               const std::optional<Symbolic>&);
  static std::optional<Symbolic> Parse(const std::string& text);
  /// False when a coefficient exceeds 64 bits or there are too many terms.
  bool Put(Monomial factors, std::int64_t coefficient);

  std::map<Monomial, std::int64_t> terms_;  ///< no coefficient is 0
};

/// Nothing: not known.
using Number = std::optional<Symbolic>;

/// Not known where an operand is not, or where the answer is none of 64 bits and 32 terms.
Number Add(const Number& a, const Number& b);
Number Subtract(const Number& a, const Number& b);
Number Multiply(const Number& a, const Number& b);
/// floor(a / divisor), divisor >= 1; known when each symbol's coefficient is a multiple of the divisor.
Number FloorDivide(const Number& a, std::int64_t divisor);
/// a / b where b is one term that divides each of a's; else not known.
Number DivideExactly(const Number& a, const Number& b);

inline Number Known(std::int64_t value) { return Symbolic(value); }
inline std::optional<std::int64_t> ConstantOf(const Number& number) {
  return number ? number->constant() : std::nullopt;
}
inline bool Is(const Number& number, std::int64_t value) { return ConstantOf(number) == value; }
/// True when both are known and can be the same for no value of their symbols that differ by a constant.
bool Differ(const Number& a, const Number& b);

/// A dimension as a number and back; a negative number is no dimension and becomes an unknown one.
Number OfDim(const Dim& dim);
Dim ToDim(const Number& number);

}  // namespace muster::onnx
