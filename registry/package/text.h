#pragma once

#include <cstdint>
#include <string>
#include <string_view>

/// Scalars as the package's formats spell them. Pure.

namespace muster::registry {

/// "2026-11-27T12:00:00Z" (RFC 3339).
std::string IsoTime(std::int64_t unix_ms);
/// A YAML scalar in single quotes.
std::string YamlText(std::string_view text);
/// A number that YAML 1.1 and 1.2 both read as one ("1.0e-05": 1.1 wants the dot); ".nan", ".inf", "-.inf".
std::string YamlNumber(double value);
/// For people: at most 6 significant digits.
std::string ShortNumber(double value);
/// A version 4 UUID's form, "xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx", made of the SHA-256 of `text`: the same text
/// has the same one.
std::string UuidOf(std::string_view text);

}  // namespace muster::registry
