#include "trainer/export/polynomial.h"

#include <algorithm>

namespace muster::exporting {

Polynomial Polynomial::Product(SymbolSet symbols, std::int64_t coefficient) {
  Polynomial product;
  if (symbols == 0) {
    product.offset = coefficient;
  } else if (coefficient != 0) {
    product.terms[symbols] = coefficient;
  }
  return product;
}

bool Polynomial::negative() const {
  if (fixed()) return offset < 0;
  return std::ranges::all_of(terms, [](const auto& term) { return term.second < 0; });
}

std::int64_t Polynomial::At(std::span<const std::int64_t> symbols) const {
  std::int64_t sum = offset;
  for (auto [factors, product] : terms) {
    for (std::size_t i = 0; i < symbols.size(); ++i) {
      if ((factors >> i & 1) != 0) product *= symbols[i];
    }
    sum += product;
  }
  return sum;
}

Polynomial& Polynomial::operator+=(const Polynomial& other) {
  offset += other.offset;
  for (const auto& [factors, coefficient] : other.terms) {
    std::int64_t& sum = terms[factors];
    sum += coefficient;
    if (sum == 0) terms.erase(factors);
  }
  return *this;
}

Polynomial operator*(Polynomial a, std::int64_t factor) {
  if (factor == 0) return 0;
  a.offset *= factor;
  for (auto& [factors, coefficient] : a.terms) coefficient *= factor;
  return a;
}

}  // namespace muster::exporting
