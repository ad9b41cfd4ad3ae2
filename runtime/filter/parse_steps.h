#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "runtime/filter/filter.h"
#include "runtime/filter/tokens.h"

/// The steps of ParseQuery, each of which knows how one part of the five dialects is read and refused.

namespace muster::filter::internal {

struct Name {
  std::string entity;  ///< canonical
  std::string key;     ///< as it was typed, without quotes: an alias stays one
  const Field* field = nullptr;
};

enum class Use { kFilter, kOrder };

/// An identifier to the field that it means.
Result<Name> ReadName(std::string_view identifier, const Grammar& grammar, Use use);
/// The right side of a comparison; sets the clause's type and value.
Status ReadValue(const Piece& piece, const Name& name, const Grammar& grammar, Clause& clause);
/// What is asked once all clauses are read: may this field be compared so, with this value? Sets the operator.
Status CheckClause(std::string_view op, const Name& name, const Grammar& grammar, Clause& clause);

/// "ident [ASC|DESC]"; of logged models "<field> ASC" or "<field> DESC".
Result<Order> ReadOrder(const std::string& item, const Grammar& grammar);

/// A comparison of a search for logged models, which MLflow reads with a parser of its own.
Result<Clause> ReadModelComparison(const Group& group, const Grammar& grammar);
Status CheckModelClause(const Clause& clause);

/// The strings of "('a', 'b')".
Result<std::vector<std::string>> ReadList(std::string_view text);
/// Of a text in upper case; nothing for one that is no operator of the language.
std::optional<Op> OpFromText(std::string_view text);
std::string Upper(std::string_view text);
double NumberOf(std::string_view text);

}  // namespace muster::filter::internal
