#pragma once

#include <span>
#include <string>
#include <string_view>

/// Values as MLflow's messages show them, which are Python's: its own tests and its clients match these texts.
/// Texts are UTF-8; bytes that are not are shown as they are. Pure; any thread.

namespace muster::filter {

/// json.dumps of a text: ASCII, quoted, "ü" as "\u00fc".
std::string PythonJson(std::string_view utf8);
/// repr of a text: 'x', or "it's" where a single quote is in it.
std::string PythonRepr(std::string_view utf8);
/// repr of a float: 1.0, 1e-05, 1e+16, nan, -inf.
std::string PythonRepr(double value);
/// ['metric', 'tag']
std::string PythonList(std::span<const std::string> items);
/// "'a', 'b'": for what Python prints as a set or tuple; the caller adds the brackets.
std::string PythonItems(std::span<const std::string> items);

/// True when each character is \w of Python's re (letters and digits of any script, "_") or in `also` (ASCII).
bool HasOnlyWords(std::string_view utf8, std::string_view also);

}  // namespace muster::filter
