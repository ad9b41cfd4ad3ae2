// muster quota ls|set|rm
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <charconv>
#include <cmath>
#include <memory>

#include "runtime/cli/context.h"
#include "runtime/config/sweep_file.h"
#include "runtime/coordinator/quota.h"

namespace muster::cli {
namespace {

constexpr const char* kQuotas = "/api/muster/v1/quotas";

/// "cpu=8", "gpu=1.5", "memory=64GiB", "licence=2" into an amount as the server counts it.
Status AddAmount(const std::string& text, boost::json::object& most) {
  const std::size_t equals = text.find('=');
  const std::string name = text.substr(0, equals);
  const std::string value = equals == std::string::npos ? "" : text.substr(equals + 1);
  const auto bad = [&] {
    return Invalid("'" + text +
                   "': wanted NAME=AMOUNT, such as cpu=8, gpu=1.5, memory=64GiB or "
                   "the name of a resource that nodes count");
  };
  if (name.empty() || value.empty()) return bad();
  if (name == "memory") {
    MUSTER_ASSIGN_OR_RETURN(most[name], config::ParseSize(value));
    return Ok();
  }
  double amount = 0;
  const auto read = std::from_chars(value.data(), value.data() + value.size(), amount);
  if (read.ec != std::errc() || read.ptr != value.data() + value.size() || !(amount >= 0) ||
      (name != "gpu" && amount != std::floor(amount))) {
    return bad();
  }
  most[name] = static_cast<std::int64_t>(std::llround(name == "gpu" ? amount * 1'000 : amount));
  return Ok();
}

int Set(const Context& context, const std::string& user, const std::vector<std::string>& amounts) {
  boost::json::object most;
  for (const std::string& amount : amounts) {
    if (const Status added = AddAmount(amount, most); !added.ok())
      return Fail(context, added.error());
  }
  return Ask(context, {"POST", kQuotas, boost::json::object{{"user", user}, {"most", most}}},
             [](const boost::json::value&) { return Ok(); });
}

std::string AmountsText(const boost::json::value& amounts) {
  std::string text;
  for (const auto& entry : amounts.as_object()) {
    const std::int64_t amount = entry.value().as_int64();
    text += (text.empty() ? "" : " ") + std::string(entry.key()) + "=" +
            coordinator::AmountText(std::string(entry.key()), amount);
  }
  return text.empty() ? "-" : text;
}

}  // namespace

void AddQuota(CLI::App& app, Context& context) {
  auto* quota = app.add_subcommand("quota", "How much the trials of each user may hold together")
                    ->require_subcommand(1);
  quota->add_subcommand("ls", "Users with what they hold and may hold")->callback([&context] {
    context.run = [&context] {
      return Ask(context, {"GET", kQuotas}, [](const boost::json::value& answer) -> Status {
        Table table({"USER", "HOLDS", "MAY HOLD"});
        for (const auto& row : answer.at("quotas").as_array()) {
          table.Add({std::string(row.at("user").as_string()), AmountsText(row.at("held")),
                     AmountsText(row.at("most"))});
        }
        table.Print();
        return Ok();
      });
    };
  });
  auto user = std::make_shared<std::string>();
  auto amounts = std::make_shared<std::vector<std::string>>();
  auto* set = quota->add_subcommand("set",
                                    "From now on at most these amounts; what is not named is "
                                    "not bounded, gangs that run stay");
  set->add_option("user", *user, "Who submits, as in the USER column of sweeps")->required();
  set->add_option("amount", *amounts, "cpu=8 gpu=2 memory=64GiB NAME=AMOUNT ...")->required();
  set->callback([&context, user, amounts] {
    context.run = [&context, user, amounts] { return Set(context, *user, *amounts); };
  });
  auto* rm = quota->add_subcommand("rm", "No bounds for this user any more");
  rm->add_option("user", *user, "Whose quota goes")->required();
  rm->callback(
      [&context, user] { context.run = [&context, user] { return Set(context, *user, {}); }; });
}

}  // namespace muster::cli
