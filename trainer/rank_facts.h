#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "trainer/params.h"
#include "trainer/row_source.h"

/// What every rank must have alike before the first step; ranks that disagree would wait for each other for ever, or add
/// up gradients of different models. Pure; Gang::CheckSame asks the ranks.

namespace muster::trainer {

/// {"parameter 'fc.weight'", "Float [3, 4]"}; `what` comes once.
struct Fact {
  std::string what, value;
  friend bool operator==(const Fact&, const Fact&) = default;
};
using Facts = std::vector<Fact>;

/// Columns and number of rows; `role` is "train", "validation".
Facts SourceFacts(std::string_view role, const RowSource& source);
/// Parameters and the seed.
Facts ParamFacts(const Params& params, std::int64_t seed);

std::string EncodeFacts(const Facts& facts);
/// What EncodeFacts made; kCorrupt for anything else.
Result<Facts> DecodeFacts(std::string_view text);

/// "" where both say the same in the same order. Else what a rank has, has not, or has of another value than rank 0: ten
/// of them, and how many more there are.
std::string FactsThatDiffer(const Facts& mine, const Facts& of_rank_0);

}  // namespace muster::trainer
