#pragma once

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>
#include <boost/describe/enumerators.hpp>
#include <boost/describe/members.hpp>
#include <boost/mp11/algorithm.hpp>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "runtime/base/ids.h"

/// What a type is to the codec. For codec.h and json_text.h.

namespace muster::wire::internal {

template <typename T>
struct IsOptional : std::false_type {};
template <typename T>
struct IsOptional<std::optional<T>> : std::true_type {};
template <typename T>
struct IsVector : std::false_type {};
template <typename T>
struct IsVector<std::vector<T>> : std::true_type {};
template <typename T>
struct IsStringMap : std::false_type {};
template <typename T>
struct IsStringMap<std::map<std::string, T>> : std::true_type {};
template <typename T>
struct IsId : std::false_type {};
template <typename Tag>
struct IsId<StringId<Tag>> : std::true_type {};
template <typename Tag>
struct IsId<NumberId<Tag>> : std::true_type {};

template <typename T>
using MembersOf = boost::describe::describe_members<T, boost::describe::mod_public>;

/// "kGangReady" -> "gang_ready".
std::string EnumeratorText(std::string_view enumerator);

/// Every enumerator of a described enum with its text.
template <typename T>
const std::vector<std::pair<T, std::string>>& EnumTexts() {
  static const auto kTexts = [] {
    std::vector<std::pair<T, std::string>> texts;
    boost::mp11::mp_for_each<boost::describe::describe_enumerators<T>>([&](auto enumerator) {
      texts.emplace_back(enumerator.value, EnumeratorText(enumerator.name));
    });
    return texts;
  }();
  return kTexts;
}

/// Null for a value that no enumerator has.
template <typename T>
const std::string* EnumText(T value) {
  for (const auto& [known, text] : EnumTexts<T>()) {
    if (known == value) return &text;
  }
  return nullptr;
}

}  // namespace muster::wire::internal
