#pragma once

#include <string>
#include <string_view>

/// Turning the sentences of codec and tuner into ones that lead a user to the right word.

namespace muster::config {

/// Adds "; did you mean 'trials'?" when the sentence lists wanted words and one is near `word`, or near
/// the value that the sentence quotes.
std::string WithSuggestion(const std::string& sentence, std::string_view word);
/// The spec's names with units -> the file's ("time_seconds" -> "time").
std::string FileWords(std::string sentence);
/// Levenshtein's distance.
std::size_t EditDistance(std::string_view a, std::string_view b);

}  // namespace muster::config
