#include "registry/batch/number.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <system_error>
#include <type_traits>

#include "registry/tensor_values.h"
#include "registry/with_type.h"

namespace muster::registry {
namespace {

template <typename T>
void Store(T value, std::byte* out) {
  std::memcpy(out, &value, sizeof value);
}

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

template <typename T>
std::errc Parse(std::string_view text, T& value) {
  if (text.starts_with('+') && text.size() > 1 && text[1] != '-') text.remove_prefix(1);
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (read.ec != std::errc()) return read.ec;
  return read.ptr == text.data() + text.size() ? std::errc() : std::errc::invalid_argument;
}

/// Beyond the type's range a float is infinite, or zero, as strtod has it.
template <typename T>
std::errc ParseFloat(std::string_view text, std::byte* out) {
  using Wide = std::conditional_t<std::is_floating_point_v<T>, T, float>;
  Wide value{};
  std::errc code = Parse(text, value);
  if (code == std::errc::result_out_of_range) {
    double wide = 0;
    code = Parse(text, wide);
    if (code == std::errc()) value = static_cast<Wide>(wide);
  }
  if (code == std::errc()) Store(static_cast<T>(value), out);
  return code;
}

template <typename T>
std::errc ParseInteger(std::string_view text, std::byte* out) {
  T value{};
  // Tables with gaps have "3.0" for 3.
  const std::size_t point = text.find('.');
  if (point != std::string_view::npos && point > 0 &&
      text.find_first_not_of('0', point + 1) == std::string_view::npos) {
    text = text.substr(0, point);
  }
  const std::errc code = Parse(text, value);
  if (code == std::errc()) Store(value, out);
  return code;
}

std::errc ParseBool(std::string_view text, std::byte* out) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
  const bool yes = lower == "1" || lower == "true";
  if (!yes && lower != "0" && lower != "false") return std::errc::invalid_argument;
  Store(std::uint8_t{yes}, out);
  return {};
}

}  // namespace

Status ParseElement(std::string_view text, ElementType type, std::byte* out) {
  const std::string_view number = Trimmed(text);
  if (number.empty()) return Invalid("is empty; wanted a number (NaN where one is missing)");
  const std::errc code = WithType(type, [&]<typename T>(T) {
    if constexpr (std::is_same_v<T, bool>) {
      return ParseBool(number, out);
    } else if constexpr (std::is_integral_v<T>) {
      return ParseInteger<T>(number, out);
    } else {
      return ParseFloat<T>(number, out);
    }
  });
  if (code == std::errc()) return Ok();
  const std::string what = "is '" + std::string(number.substr(0, 40)) + "'";
  if (code == std::errc::result_out_of_range) {
    return Invalid(what + ", which " + std::string(ElementTypeName(type)) + " cannot hold");
  }
  return Invalid(what + "; wanted a number for " + std::string(ElementTypeName(type)));
}

void AppendElement(std::string& out, const Tensor& tensor, std::size_t index, bool json) {
  const std::byte* from = tensor.bytes.data() + index * ElementSize(tensor.type);
  char digits[40];
  WithType(tensor.type, [&]<typename T>(T) {
    if constexpr (std::is_same_v<T, bool>) {
      const bool value = *from != std::byte{0};
      out += json ? (value ? "true" : "false") : (value ? "1" : "0");
    } else {
      T raw;
      std::memcpy(&raw, from, sizeof raw);
      const auto append = [&](auto value) {
        out.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
      };
      if constexpr (std::is_integral_v<T>) {
        append(raw);
      } else {
        const auto value =
            static_cast<std::conditional_t<std::is_floating_point_v<T>, T, float>>(raw);
        if (std::isfinite(value)) return append(value);
        const char* quote = json ? "\"" : "";
        out += quote;
        out += std::isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";
        out += quote;
      }
    }
  });
}

Result<Tensor> ConvertTensor(Tensor tensor, ElementType type) {
  if (tensor.type == type) return tensor;
  const auto wrong = [&](const std::string& what) {
    return Invalid("'" + tensor.name + "' is " + std::string(ElementTypeName(tensor.type)) +
                   ", the model wants " + std::string(ElementTypeName(type)) + what);
  };
  const std::size_t count = tensor.bytes.size() / ElementSize(tensor.type);
  Tensor result{tensor.name, type, tensor.shape, std::vector<std::byte>(count * ElementSize(type))};
  std::byte* out = result.bytes.data();
  if (FractionBits(type) > 0) {
    const auto values = ValuesAs<double>(tensor);
    WithType(type, [&]<typename T>(T) {
      for (const double value : values) {
        if constexpr (std::is_same_v<T, double>) {
          Store(value, out);
        } else {
          Store(static_cast<T>(static_cast<float>(value)), out);
        }
        out += sizeof(T);
      }
    });
    return result;
  }
  if (FractionBits(tensor.type) > 0) return wrong("; convert the data");
  std::string text;
  for (std::size_t i = 0; i < count; ++i, out += ElementSize(type)) {
    text.clear();
    AppendElement(text, tensor, i, false);
    const Status stored = ParseElement(text, type, out);
    if (!stored.ok()) return wrong(": an element " + stored.error().message);
  }
  return result;
}

}  // namespace muster::registry
