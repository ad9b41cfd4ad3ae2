#include "registry/serve/json_tensors.h"

#include <array>
#include <boost/json/serialize.hpp>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <span>
#include <type_traits>
#include <utility>

#include "registry/with_type.h"

namespace muster::registry::serve {

namespace {

namespace json = boost::json;

/// Calls `use` with a value of the C++ type that `type` is kept in, where JSON has such a number.
template <typename Use>
Status WithJsonType(ElementType type, Use use) {
  return WithType(type, [&]<typename T>(T value) -> Status {
    if constexpr (std::is_arithmetic_v<T>) {
      return use(value);
    } else {
      return Invalid(std::string(ElementTypeName(type)) +
                     " has no JSON form; use the binary data format");
    }
  });
}

template <typename T>
constexpr std::string_view TypeName() {
  if constexpr (std::is_same_v<T, bool>) return "BOOL";
  if constexpr (std::is_same_v<T, float>) return "FP32";
  if constexpr (std::is_same_v<T, double>) return "FP64";
  return "an integer of the tensor's type";
}

template <typename T>
Status DoesNotFit(const json::value& value) {
  std::string text = json::serialize(value);
  constexpr std::size_t kLongest = 60;
  if (text.size() > kLongest) text = text.substr(0, kLongest) + "...";
  return Invalid("value " + text + " is not " + std::string(TypeName<T>()));
}

template <typename T>
bool ReadFloat(const json::value& value, NullIs null_is, T& number) {
  double wide = 0;
  if (const auto* real = value.if_double(); real != nullptr) {
    wide = *real;
  } else if (const auto* integer = value.if_int64(); integer != nullptr) {
    wide = static_cast<double>(*integer);
  } else if (const auto* natural = value.if_uint64(); natural != nullptr) {
    wide = static_cast<double>(*natural);
  } else if (value.is_null() && null_is == NullIs::kNaN) {
    wide = std::numeric_limits<double>::quiet_NaN();
  } else if (value.is_string() && value.get_string() == "NaN") {
    wide = std::numeric_limits<double>::quiet_NaN();
  } else if (value.is_string() && value.get_string() == "Infinity") {
    wide = std::numeric_limits<double>::infinity();
  } else if (value.is_string() && value.get_string() == "-Infinity") {
    wide = -std::numeric_limits<double>::infinity();
  } else {
    return false;
  }
  if (std::isfinite(wide) && std::abs(wide) > static_cast<double>(std::numeric_limits<T>::max())) {
    return false;
  }
  number = static_cast<T>(wide);
  return true;
}

template <typename T>
bool ReadInteger(const json::value& value, T& number) {
  if (const auto* integer = value.if_int64(); integer != nullptr) {
    if (!std::in_range<T>(*integer)) return false;
    number = static_cast<T>(*integer);
    return true;
  }
  if (const auto* natural = value.if_uint64(); natural != nullptr) {
    if (!std::in_range<T>(*natural)) return false;
    number = static_cast<T>(*natural);
    return true;
  }
  return false;
}

template <typename T>
bool ReadElement(const json::value& value, NullIs null_is, T& element) {
  if constexpr (std::is_same_v<T, bool>) {
    if (const auto* truth = value.if_bool(); truth != nullptr) {
      element = *truth;
      return true;
    }
    std::int8_t number = 0;  // 0 and 1 are what numpy users send
    if (!ReadInteger(value, number) || (number != 0 && number != 1)) return false;
    element = number == 1;
    return true;
  } else if constexpr (std::is_floating_point_v<T>) {
    return ReadFloat(value, null_is, element);
  } else {
    return ReadInteger(value, element);
  }
}

/// Walks the lists. The parser bounds their depth.
template <typename T>
class Reader {
 public:
  Reader(NullIs null_is, std::vector<std::byte>& bytes, std::vector<std::int64_t>* shape)
      : null_is_(null_is), bytes_(bytes), shape_(shape) {}

  Status Read(const json::value& value, std::size_t depth) {
    const auto* array = value.if_array();
    if (array == nullptr) return Element(value, depth);
    const auto size = static_cast<std::int64_t>(array->size());
    if (shape_ != nullptr) {
      if (!leaf_seen_ && shape_->size() == depth) {
        shape_->push_back(size);
      } else if (depth >= shape_->size() || (*shape_)[depth] != size) {
        return Invalid(
            "the lists are ragged: a list of " + std::to_string(size) + " where others " +
            (depth < shape_->size() ? "have " + std::to_string((*shape_)[depth]) : "are numbers"));
      }
    }
    // Once a list has been empty nothing deeper can be told from its first element.
    if (size == 0) leaf_seen_ = true;
    for (const json::value& element : *array) {
      if (Status read = Read(element, depth + 1); !read.ok()) return read;
    }
    return Ok();
  }

 private:
  Status Element(const json::value& value, std::size_t depth) {
    leaf_seen_ = true;
    if (shape_ != nullptr && depth != shape_->size()) {
      return Invalid("the lists are ragged: a number where others are lists");
    }
    T element{};
    if (!ReadElement(value, null_is_, element)) return DoesNotFit<T>(value);
    const std::size_t before = bytes_.size();
    bytes_.resize(before + sizeof element);
    std::memcpy(bytes_.data() + before, &element, sizeof element);
    return Ok();
  }

  NullIs null_is_;
  std::vector<std::byte>& bytes_;
  std::vector<std::int64_t>* shape_;
  bool leaf_seen_ = false;
};

template <typename T>
void AppendElement(std::string& out, T element) {
  if constexpr (std::is_same_v<T, bool>) {
    out += element ? "true" : "false";
  } else {
    if constexpr (std::is_floating_point_v<T>) {
      if (!std::isfinite(element)) {
        out += std::isnan(element) ? "\"NaN\"" : element > 0 ? "\"Infinity\"" : "\"-Infinity\"";
        return;
      }
    }
    std::array<char, 40> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), element).ptr;
    const std::string_view text(digits.data(), static_cast<std::size_t>(end - digits.data()));
    out += text;
    // A float stays one for readers that tell 5 from 5.0.
    if (std::is_floating_point_v<T> && text.find_first_of(".e") == text.npos) out += ".0";
  }
}

template <typename T>
void AppendRange(std::string& out, const std::byte* bytes, std::size_t count) {
  out += '[';
  for (std::size_t i = 0; i < count; ++i) {
    if (i > 0) out += ',';
    T element{};
    std::memcpy(&element, bytes + i * sizeof(T), sizeof(T));
    AppendElement(out, element);
  }
  out += ']';
}

/// Lists nested as `shape` says, over `bytes` which it moves on.
template <typename T>
void AppendLists(std::string& out, std::span<const std::int64_t> shape, const std::byte*& bytes) {
  if (shape.empty()) {
    T element{};
    std::memcpy(&element, bytes, sizeof(T));
    bytes += sizeof(T);
    AppendElement(out, element);
    return;
  }
  out += '[';
  for (std::int64_t i = 0; i < shape.front(); ++i) {
    if (i > 0) out += ',';
    AppendLists<T>(out, shape.subspan(1), bytes);
  }
  out += ']';
}

}  // namespace

Result<std::vector<std::byte>> BytesFromJson(const json::value& data, ElementType type,
                                             NullIs null_is, std::vector<std::int64_t>* shape) {
  std::vector<std::byte> bytes;
  if (shape != nullptr) shape->clear();
  if (const auto* array = data.if_array(); array != nullptr) {
    bytes.reserve(array->size() * ElementSize(type));
  }
  MUSTER_RETURN_IF_ERROR(WithJsonType(type, [&](auto element) {
    return Reader<decltype(element)>(null_is, bytes, shape).Read(data, 0);
  }));
  return bytes;
}

Status AppendFlat(std::string& out, const Tensor& tensor) {
  return WithJsonType(tensor.type, [&](auto element) {
    using T = decltype(element);
    AppendRange<T>(out, tensor.bytes.data(), tensor.bytes.size() / sizeof(T));
    return Ok();
  });
}

Status AppendNested(std::string& out, const Tensor& tensor) {
  return WithJsonType(tensor.type, [&](auto element) {
    const std::byte* bytes = tensor.bytes.data();
    AppendLists<decltype(element)>(out, tensor.shape, bytes);
    return Ok();
  });
}

Status AppendRow(std::string& out, const Tensor& tensor, std::int64_t row, OneElement one) {
  return WithJsonType(tensor.type, [&](auto element) {
    const std::size_t row_size =
        tensor.bytes.size() / static_cast<std::size_t>(tensor.shape.front());
    const std::byte* bytes = tensor.bytes.data() + static_cast<std::size_t>(row) * row_size;
    auto shape = std::span(tensor.shape).subspan(1);
    if (one == OneElement::kAlone && row_size == sizeof element) shape = {};
    AppendLists<decltype(element)>(out, shape, bytes);
    return Ok();
  });
}

void AppendQuoted(std::string& out, std::string_view text) {
  out += json::serialize(json::string_view(text.data(), text.size()));
}

}  // namespace muster::registry::serve
