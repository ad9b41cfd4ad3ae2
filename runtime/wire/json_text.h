#pragma once

#include <boost/json/value.hpp>
#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

#include "runtime/wire/codec_traits.h"

/// Structs straight to JSON text, byte for byte what serializing codec.h's ToJson gives, without building the
/// values between: an event of the journal costs one allocation in place of dozens.

namespace muster::wire {

namespace internal {

void AppendValue(std::string& out, const boost::json::value& value);
void AppendObject(std::string& out, const boost::json::object& object);
void AppendArray(std::string& out, const boost::json::array& array);
void AppendNumber(std::string& out, std::int64_t number);
void AppendNumber(std::string& out, std::uint64_t number);
void AppendNumber(std::string& out, double number);
void AppendText(std::string& out, std::string_view text);

}  // namespace internal

template <typename T>
void AppendJson(std::string& out, const T& value) {
  if constexpr (std::same_as<T, boost::json::value>) {
    internal::AppendValue(out, value);
  } else if constexpr (std::same_as<T, boost::json::object>) {
    internal::AppendObject(out, value);
  } else if constexpr (std::same_as<T, boost::json::array>) {
    internal::AppendArray(out, value);
  } else if constexpr (std::same_as<T, bool>) {
    out += value ? "true" : "false";
  } else if constexpr (std::is_enum_v<T>) {
    const std::string* text = internal::EnumText(value);
    text == nullptr ? void(out += "null") : internal::AppendText(out, *text);
  } else if constexpr (std::unsigned_integral<T>) {
    internal::AppendNumber(out, static_cast<std::uint64_t>(value));
  } else if constexpr (std::integral<T>) {
    internal::AppendNumber(out, static_cast<std::int64_t>(value));
  } else if constexpr (std::floating_point<T>) {
    internal::AppendNumber(out, static_cast<double>(value));
  } else if constexpr (std::convertible_to<T, std::string_view>) {
    internal::AppendText(out, value);
  } else if constexpr (internal::IsId<T>::value) {
    AppendJson(out, value.value);
  } else if constexpr (internal::IsOptional<T>::value) {
    value ? AppendJson(out, *value) : void(out += "null");
  } else if constexpr (internal::IsVector<T>::value) {
    char before = '[';
    for (const auto& element : value) {
      out += before;
      before = ',';
      AppendJson(out, element);
    }
    out += before == '[' ? "[]" : "]";
  } else {
    char before = '{';
    const auto add = [&](std::string_view key, const auto& member) {
      out += before;
      before = ',';
      internal::AppendText(out, key);
      out += ':';
      AppendJson(out, member);
    };
    if constexpr (internal::IsStringMap<T>::value) {
      for (const auto& [key, element] : value) add(key, element);
    } else {
      boost::mp11::mp_for_each<internal::MembersOf<T>>([&](auto described) {
        const auto& member = value.*described.pointer;
        if constexpr (internal::IsOptional<std::remove_cvref_t<decltype(member)>>::value) {
          if (!member) return;
        }
        add(described.name, member);
      });
    }
    out += before == '{' ? "{}" : "}";
  }
}

template <typename T>
std::string Encode(const T& value) {
  std::string out;
  AppendJson(out, value);
  return out;
}

}  // namespace muster::wire
