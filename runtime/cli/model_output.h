#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/cli/context.h"

/// What the subcommands of `muster model` print in the same way.

namespace muster::cli {

/// As many entries as the server gives out at once.
inline constexpr std::size_t kPage = 1'000;

std::string ModelPath(const std::string& name, const std::string& rest = "");
/// A member as people read it; "" when it is not there.
std::string Text(const boost::json::object& fields, std::string_view name);
/// A time in UTC; "" when it is not there or 0.
std::string When(const boost::json::object& fields, std::string_view name);
/// "champion=2 challenger=3"
std::string Aliases(const boost::json::object& fields);
/// A table with a row for each element of the array `list`.
void PrintList(const boost::json::value& answer, std::string_view list,
               std::vector<std::string> headings,
               const std::function<std::vector<std::string>(const boost::json::object&)>& row);
/// GATE, VERDICT, SEEN, DETAIL
void PrintGates(const boost::json::value& answer);
/// PERSON, SAID, AT, DIGEST, WHY
void PrintApprovals(const boost::json::value& answer);
/// Like Ask, of the array `list` at `target`, which the server gives out in pages: `next` is what to add to the
/// target for the page after this one; empty: there is none.
int AskPages(const Context& context, const std::string& target, std::string_view list,
             const std::function<std::string(const boost::json::object& page)>& next,
             const std::function<Status(const boost::json::value& answer)>& show);

}  // namespace muster::cli
