#include "runtime/cli/model_output.h"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

namespace muster::cli {

using boost::json::object;
using boost::json::value;

std::string ModelPath(const std::string& name, const std::string& rest) {
  return "/api/muster/v1/models/" + http::PercentEncode(name) + rest;
}

std::string Text(const object& fields, std::string_view name) {
  const auto* found = fields.if_contains(name);
  if (found == nullptr || found->is_null()) return "";
  if (found->is_string()) return std::string(found->get_string());
  return found->is_double() ? Short(found->get_double()) : boost::json::serialize(*found);
}

std::string When(const object& fields, std::string_view name) {
  const auto* found = fields.if_contains(name);
  if (found == nullptr || !found->is_int64() || found->get_int64() == 0) return "";
  return Utc(found->get_int64());
}

std::string Aliases(const object& fields) {
  std::string text;
  const auto* aliases = fields.if_contains("aliases");
  if (aliases == nullptr) return text;
  if (aliases->is_array()) {
    for (const auto& alias : aliases->get_array()) {
      text += (text.empty() ? "" : " ") + std::string(alias.as_string());
    }
  } else if (aliases->is_object()) {
    for (const auto& entry : aliases->get_object()) {
      text += (text.empty() ? "" : " ") + std::string(entry.key()) + "=" +
              boost::json::serialize(entry.value());
    }
  }
  return text;
}

void PrintList(const value& answer, std::string_view list, std::vector<std::string> headings,
               const std::function<std::vector<std::string>(const object&)>& row) {
  Table table(std::move(headings));
  for (const auto& entry : answer.at(list).as_array()) table.Add(row(entry.as_object()));
  table.Print();
}

int AskPages(const Context& context, const std::string& target, std::string_view list,
             const std::function<std::string(const object& page)>& next,
             const std::function<Status(const value& answer)>& show) {
  auto client = context.Connect();
  if (!client.ok()) return Fail(context, client.error());
  boost::json::array all;
  object page;
  for (std::string more; page.empty() || !more.empty();) {
    auto answer = client->Json("GET", target + more);
    if (!answer.ok()) return Fail(context, answer.error());
    page = answer->as_object();
    const auto& entries = page.at(list).as_array();
    all.insert(all.end(), entries.begin(), entries.end());
    more = next(page);
  }
  page[list] = std::move(all);
  return ShowAnswer(context, page, show);
}

void PrintGates(const value& answer) {
  PrintList(answer, "gates", {"GATE", "VERDICT", "SEEN", "DETAIL"}, [](const object& gate) {
    return std::vector<std::string>{Text(gate, "gate"),
                                    Text(gate, "passed") == "true" ? "passed" : "refused",
                                    Text(gate, "seen"), Text(gate, "detail")};
  });
}

void PrintApprovals(const value& answer) {
  PrintList(
      answer, "approvals", {"PERSON", "SAID", "AT", "DIGEST", "WHY"}, [](const object& approval) {
        return std::vector<std::string>{
            Text(approval, "person"), Text(approval, "approved") == "true" ? "approve" : "reject",
            When(approval, "time_ms"), Text(approval, "digest").substr(0, 12),
            Text(approval, "reason")};
      });
}

}  // namespace muster::cli
