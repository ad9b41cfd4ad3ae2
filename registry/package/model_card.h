#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "registry/package/package.h"

namespace muster::registry {

/// README.md: the model card in the manner of Hugging Face, YAML front matter with a model-index (huggingface_hub
/// reads it) before Markdown for people; generated from the run alone, so that it says what happened. Pure.
std::string ModelCardText(const PackageSpec& spec);

/// The sections that a card must have and `card` has not.
std::vector<std::string> MissingSections(std::string_view card);

}  // namespace muster::registry
