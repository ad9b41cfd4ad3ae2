#include "registry/onnx/shapes/symbolic.h"

#include <algorithm>
#include <charconv>

namespace muster::onnx {
namespace {

constexpr std::size_t kMaxTerms = 32, kMaxDegree = 16, kMaxSymbol = 256;

bool IsWord(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         c == '.';
}

std::optional<std::int64_t> Digits(std::string_view word) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc() || end != word.data() + word.size()) return std::nullopt;
  return value;
}

std::int64_t FloorOf(std::int64_t value, std::int64_t divisor) {
  return value / divisor - (value % divisor < 0 ? 1 : 0);
}

}  // namespace

Symbolic::Symbolic(std::int64_t constant) {
  if (constant != 0) terms_[{}] = constant;
}

bool Symbolic::Put(Monomial factors, std::int64_t coefficient) {
  std::sort(factors.begin(), factors.end());
  const auto [term, is_new] = terms_.try_emplace(std::move(factors), 0);
  if (__builtin_add_overflow(term->second, coefficient, &term->second)) return false;
  if (term->second == 0) terms_.erase(term);
  return terms_.size() <= kMaxTerms;
}

/// [+-] factor {* factor} ...; a factor is digits or a word that does not begin with one.
std::optional<Symbolic> Symbolic::Parse(const std::string& text) {
  Symbolic parsed(0);
  for (std::size_t at = 0; at < text.size();) {
    std::int64_t coefficient = 1;
    if (text[at] == '+' || text[at] == '-') {
      coefficient = text[at++] == '-' ? -1 : 1;
    } else if (at != 0) {
      return std::nullopt;
    }
    Monomial factors;
    for (;; ++at) {
      const std::size_t begin = at;
      while (at < text.size() && IsWord(text[at])) ++at;
      if (at == begin) return std::nullopt;
      std::string word = text.substr(begin, at - begin);
      if (const auto digits = Digits(word)) {
        if (__builtin_mul_overflow(coefficient, *digits, &coefficient)) return std::nullopt;
      } else if (word[0] >= '0' && word[0] <= '9') {
        return std::nullopt;
      } else {
        factors.push_back(std::move(word));
      }
      if (at == text.size() || text[at] != '*') break;
    }
    if (factors.size() > kMaxDegree || !parsed.Put(std::move(factors), coefficient)) {
      return std::nullopt;
    }
  }
  return parsed;
}

Symbolic Symbolic::Of(const std::string& text) {
  if (auto parsed = Parse(text)) return *parsed;
  Symbolic whole(0);
  whole.terms_[{text}] = 1;
  return whole;
}

std::optional<std::int64_t> Symbolic::constant() const {
  if (terms_.empty()) return 0;
  if (terms_.size() == 1 && terms_.begin()->first.empty()) return terms_.begin()->second;
  return std::nullopt;
}

std::optional<std::int64_t> Symbolic::At(std::int64_t value) const {
  std::int64_t sum = 0;
  for (const auto& [factors, coefficient] : terms_) {
    std::int64_t product = coefficient;
    for (std::size_t i = 0; i < factors.size(); ++i) {
      if (__builtin_mul_overflow(product, value, &product)) return std::nullopt;
    }
    if (__builtin_add_overflow(sum, product, &sum)) return std::nullopt;
  }
  return sum;
}

std::string Symbolic::text() const {
  std::vector<std::pair<Monomial, std::int64_t>> terms(terms_.begin(), terms_.end());
  std::stable_sort(terms.begin(), terms.end(),
                   [](const auto& a, const auto& b) { return a.first.size() > b.first.size(); });
  std::string text;
  for (const auto& [factors, coefficient] : terms) {
    if (!text.empty() && coefficient > 0) text += "+";
    std::string product;
    for (const std::string& factor : factors) product += (product.empty() ? "" : "*") + factor;
    if (product.empty()) {
      text += std::to_string(coefficient);
    } else if (coefficient == 1 || coefficient == -1) {
      text += (coefficient < 0 ? "-" : "") + product;
    } else {
      text += std::to_string(coefficient) + "*" + product;
    }
  }
  return text.empty() ? "0" : text;
}

Number Add(const Number& a, const Number& b) {
  if (!a || !b) return std::nullopt;
  Symbolic sum = *a;
  for (const auto& [factors, coefficient] : b->terms_) {
    if (!sum.Put(factors, coefficient)) return std::nullopt;
  }
  return sum;
}

Number Subtract(const Number& a, const Number& b) { return Add(a, Multiply(b, Known(-1))); }

Number Multiply(const Number& a, const Number& b) {
  // Nothing of anything is nothing: a dimension of 0 decides a product whatever the others are.
  if (Is(a, 0) || Is(b, 0)) return Known(0);
  if (!a || !b) return std::nullopt;
  Symbolic product(0);
  for (const auto& [left, x] : a->terms_) {
    for (const auto& [right, y] : b->terms_) {
      Symbolic::Monomial factors = left;
      factors.insert(factors.end(), right.begin(), right.end());
      std::int64_t coefficient = 0;
      if (factors.size() > kMaxDegree || __builtin_mul_overflow(x, y, &coefficient) ||
          !product.Put(std::move(factors), coefficient)) {
        return std::nullopt;
      }
    }
  }
  return product;
}

Number FloorDivide(const Number& a, std::int64_t divisor) {
  if (!a || divisor < 1) return std::nullopt;
  Symbolic quotient(0);
  for (const auto& [factors, coefficient] : a->terms_) {
    if (!factors.empty() && coefficient % divisor != 0) return std::nullopt;
    if (!quotient.Put(factors, FloorOf(coefficient, divisor))) return std::nullopt;
  }
  return quotient;
}

Number DivideExactly(const Number& a, const Number& b) {
  if (!a || !b || b->terms_.size() != 1) return std::nullopt;
  const auto& [divisors, divisor] = *b->terms_.begin();
  Symbolic quotient(0);
  for (const auto& [factors, coefficient] : a->terms_) {
    if (divisor == -1 || coefficient % divisor != 0 ||
        !std::includes(factors.begin(), factors.end(), divisors.begin(), divisors.end())) {
      return std::nullopt;
    }
    Symbolic::Monomial rest;
    std::set_difference(factors.begin(), factors.end(), divisors.begin(), divisors.end(),
                        std::back_inserter(rest));
    if (!quotient.Put(std::move(rest), coefficient / divisor)) return std::nullopt;
  }
  return quotient;
}

bool Differ(const Number& a, const Number& b) {
  const std::optional<std::int64_t> difference = ConstantOf(Subtract(a, b));
  return difference && *difference != 0;
}

Number OfDim(const Dim& dim) {
  if (dim.size >= 0) return Known(dim.size);
  if (dim.symbol.empty() || dim.symbol.size() > kMaxSymbol) return std::nullopt;
  return Symbolic::Of(dim.symbol);
}

Dim ToDim(const Number& number) {
  if (!number) return {};
  if (const auto constant = number->constant())
    return Dim::Of(std::max<std::int64_t>(*constant, -1));
  return Dim::Of(number->text());
}

}  // namespace muster::onnx
