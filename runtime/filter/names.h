#pragma once

#include <string>
#include <string_view>

#include "runtime/base/result.h"

/// MLflow's rules for the names of metrics, params, tags and models, with its texts (3.18's utils/validation.py).
/// Lengths are in characters (code points) of UTF-8. Pure; any thread.

namespace muster::filter {

std::size_t Characters(std::string_view utf8);
void CutTo(std::string& utf8, std::size_t characters);
/// kInvalid "'<what>' exceeds the maximum length of <most> characters".
Status CheckLength(std::string_view what, std::string_view value, std::size_t most);

/// kInvalid: slashes, dots, colons, spaces, dashes and letters of any script are fine, and the name must be a
/// normal path ("a/../b" and "" are not). `parameter` is what the message calls it.
Status CheckName(std::string_view name, std::string_view parameter);
/// The second half of CheckName: as a path the name is itself, relative and inside.
Status CheckPathName(std::string_view name, std::string_view parameter);

/// kInvalid "Invalid value <value as JSON> for parameter '<parameter>' supplied: <why>"; "supplied." without why.
Error InvalidValue(std::string_view parameter, std::string_view value, std::string_view why = "");

}  // namespace muster::filter
