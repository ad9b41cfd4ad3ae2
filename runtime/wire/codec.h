#pragma once

#include <array>
#include <boost/json/monotonic_resource.hpp>
#include <boost/json/value.hpp>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "runtime/base/result.h"
#include "runtime/wire/codec_traits.h"
#include "runtime/wire/json_text.h"

/// Structs to JSON and back, driven by BOOST_DESCRIBE_STRUCT. Include it in .cc files only; headers
/// declare the encode and decode functions of their own types.
///
/// Encoding: members by name in order; an empty optional is left out; NaN and infinities are the strings
/// "NaN", "Infinity" and "-Infinity"; an enumerator `kGangReady` of a described enum is "gang_ready";
/// ids are their bare value. Decoding: a missing member keeps the default that its struct gives it, an
/// unknown member is skipped (a newer peer may send it) unless `Unknown::kRefuse` is asked for, and an
/// error names the path: "at ranks[2].port: wanted an integer, got \"x\"".

namespace muster::wire {

using Json = boost::json::value;

enum class Unknown { kSkip, kRefuse };

/// Parses text; the error carries the offset of the first wrong byte. kResource beyond `values_max` values
/// (an object with two members has three), before they take memory. The value lives in `storage`.
Result<Json> ParseJson(std::string_view text,
                       std::size_t values_max = std::numeric_limits<std::size_t>::max(),
                       boost::json::storage_ptr storage = {});
/// Compact text, keys in insertion order; doubles round-trip.
std::string SerializeJson(const Json& value);

namespace internal {

/// `"text"`, `12`, ... shortened for a message.
std::string Excerpt(const Json& value);
Error WrongType(std::string_view wanted, const Json& got);
Result<double> DecodeDouble(const Json& value);
Result<std::int64_t> DecodeInteger(const Json& value, std::int64_t low, std::int64_t high);
Json EncodeDouble(double value);
/// Puts `outer` before the path that `error` already carries.
Error AtPath(Error error, std::string_view outer);

}  // namespace internal

template <typename T>
Json ToJson(const T& value) {
  if constexpr (std::same_as<T, Json> || std::same_as<T, boost::json::object> ||
                std::same_as<T, boost::json::array>) {
    return value;
  } else if constexpr (std::same_as<T, bool>) {
    return value;
  } else if constexpr (std::is_enum_v<T>) {
    const std::string* text = internal::EnumText(value);
    return text == nullptr ? Json(nullptr) : Json(*text);
  } else if constexpr (std::unsigned_integral<T>) {
    return static_cast<std::uint64_t>(value);
  } else if constexpr (std::integral<T>) {
    return static_cast<std::int64_t>(value);
  } else if constexpr (std::floating_point<T>) {
    return internal::EncodeDouble(value);
  } else if constexpr (std::convertible_to<T, std::string_view>) {
    return Json(boost::json::string_view(std::string_view(value)));
  } else if constexpr (internal::IsId<T>::value) {
    return ToJson(value.value);
  } else if constexpr (internal::IsOptional<T>::value) {
    return value ? ToJson(*value) : Json(nullptr);
  } else if constexpr (internal::IsVector<T>::value) {
    boost::json::array array;
    array.reserve(value.size());
    for (const auto& element : value) array.push_back(ToJson(element));
    return array;
  } else if constexpr (internal::IsStringMap<T>::value) {
    boost::json::object object;
    for (const auto& [key, element] : value) object[key] = ToJson(element);
    return object;
  } else {
    boost::json::object object;
    boost::mp11::mp_for_each<internal::MembersOf<T>>([&](auto member) {
      Json encoded = ToJson(value.*member.pointer);
      using Member = std::remove_cvref_t<decltype(value.*member.pointer)>;
      if (internal::IsOptional<Member>::value && encoded.is_null()) return;
      object[member.name] = std::move(encoded);
    });
    return object;
  }
}

template <typename T>
Result<T> FromJson(const Json& json, Unknown unknown = Unknown::kSkip);

namespace internal {

template <typename T>
Result<T> DecodeEnum(const Json& json) {
  std::string wanted;
  for (const auto& [value, text] : EnumTexts<T>()) {
    if (json.is_string() && json.get_string() == text) return value;
    wanted += (wanted.empty() ? "" : ", ") + text;
  }
  return WrongType("one of " + wanted, json);
}

template <typename T>
Result<T> DecodeStruct(const Json& json, Unknown unknown) {
  if (!json.is_object()) return WrongType("an object", json);
  T value{};
  const auto& object = json.get_object();
  Status status;
  std::size_t seen = 0;
  boost::mp11::mp_for_each<MembersOf<T>>([&](auto member) {
    if (!status.ok()) return;
    const auto* found = object.if_contains(member.name);
    if (found == nullptr) return;
    ++seen;
    using Member = std::remove_cvref_t<decltype(value.*member.pointer)>;
    auto decoded = FromJson<Member>(*found, unknown);
    if (decoded.ok()) {
      value.*member.pointer = std::move(decoded).value();
    } else {
      status = AtPath(decoded.error(), member.name);
    }
  });
  if (!status.ok()) return status.error();
  if (unknown == Unknown::kRefuse && seen != object.size()) {
    std::string wanted;
    boost::mp11::mp_for_each<MembersOf<T>>(
        [&](auto member) { (wanted += wanted.empty() ? "" : ", ") += member.name; });
    for (const auto& entry : object) {
      bool known = false;
      boost::mp11::mp_for_each<MembersOf<T>>(
          [&](auto member) { known = known || entry.key() == member.name; });
      if (!known)
        return AtPath(Invalid("unknown key; wanted one of " + wanted), std::string(entry.key()));
    }
  }
  return value;
}

}  // namespace internal

template <typename T>
Result<T> FromJson(const Json& json, Unknown unknown) {
  using internal::WrongType;
  // Copies live where copies do, wherever `json` does.
  if constexpr (std::same_as<T, Json>) {
    return Json(json, {});
  } else if constexpr (std::same_as<T, boost::json::object>) {
    if (!json.is_object()) return WrongType("an object", json);
    return boost::json::object(json.get_object(), {});
  } else if constexpr (std::same_as<T, boost::json::array>) {
    if (!json.is_array()) return WrongType("an array", json);
    return boost::json::array(json.get_array(), {});
  } else if constexpr (std::same_as<T, bool>) {
    if (!json.is_bool()) return WrongType("true or false", json);
    return json.get_bool();
  } else if constexpr (std::is_enum_v<T>) {
    return internal::DecodeEnum<T>(json);
  } else if constexpr (std::same_as<T, std::uint64_t>) {
    if (json.is_uint64()) return json.get_uint64();
    auto number = internal::DecodeInteger(json, 0, std::numeric_limits<std::int64_t>::max());
    if (!number.ok()) return number.error();
    return static_cast<std::uint64_t>(*number);
  } else if constexpr (std::integral<T>) {
    auto number =
        internal::DecodeInteger(json, std::numeric_limits<T>::min(), std::numeric_limits<T>::max());
    if (!number.ok()) return number.error();
    return static_cast<T>(*number);
  } else if constexpr (std::floating_point<T>) {
    auto number = internal::DecodeDouble(json);
    if (!number.ok()) return number.error();
    return static_cast<T>(*number);
  } else if constexpr (std::same_as<T, std::string>) {
    if (!json.is_string()) return WrongType("a string", json);
    return std::string(json.get_string());
  } else if constexpr (internal::IsId<T>::value) {
    auto bare = FromJson<decltype(T{}.value)>(json);
    if (!bare.ok()) return bare.error();
    return T(std::move(bare).value());
  } else if constexpr (internal::IsOptional<T>::value) {
    if (json.is_null()) return T{};
    auto inner = FromJson<typename T::value_type>(json, unknown);
    if (!inner.ok()) return inner.error();
    return T(std::move(inner).value());
  } else if constexpr (internal::IsVector<T>::value) {
    if (!json.is_array()) return WrongType("an array", json);
    T vector;
    vector.reserve(json.get_array().size());
    for (std::size_t i = 0; i < json.get_array().size(); ++i) {
      auto element = FromJson<typename T::value_type>(json.get_array()[i], unknown);
      if (!element.ok()) return internal::AtPath(element.error(), "[" + std::to_string(i) + "]");
      vector.push_back(std::move(element).value());
    }
    return vector;
  } else if constexpr (internal::IsStringMap<T>::value) {
    if (!json.is_object()) return WrongType("an object", json);
    T map;
    for (const auto& entry : json.get_object()) {
      auto element = FromJson<typename T::mapped_type>(entry.value(), unknown);
      if (!element.ok()) return internal::AtPath(element.error(), std::string(entry.key()));
      map.emplace(std::string(entry.key()), std::move(element).value());
    }
    return map;
  } else {
    return internal::DecodeStruct<T>(json, unknown);
  }
}

/// Text straight to a struct.
template <typename T>
Result<T> Decode(std::string_view text, Unknown unknown = Unknown::kSkip) {
  std::array<unsigned char, 4096> buffer;
  boost::json::monotonic_resource values(buffer.data(), buffer.size());
  const auto json =
      ParseJson(text, std::numeric_limits<std::size_t>::max(), boost::json::storage_ptr(&values));
  if (!json.ok()) return json.error();
  return FromJson<T>(*json, unknown);
}

}  // namespace muster::wire
