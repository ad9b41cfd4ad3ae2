#include "runtime/cli/context.h"

#include <unistd.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iostream>
#include <sstream>
#include <thread>

#include "runtime/wire/codec.h"

namespace muster::cli {
namespace {

/// Characters that a terminal shows; UTF-8 continuation bytes take no column.
std::size_t Width(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

}  // namespace

std::optional<std::string> EnvironmentVariable(std::string_view name) {
  const char* value = std::getenv(std::string(name).c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

std::filesystem::path Context::Home() const { return std::filesystem::absolute(home); }

Result<http::Client> Context::Connect() const {
  if (!server.empty()) return http::Client(server);
  const auto file = Home() / "server.json";
  std::ifstream stream(file);
  std::ostringstream text;
  if (!stream || !(text << stream.rdbuf())) {
    return Unavailable("no server runs on " + Home().string() +
                       "; start one with 'muster server --home " + Home().string() +
                       "', or name one with --server URL");
  }
  MUSTER_ASSIGN_OR_RETURN(const auto json, wire::ParseJson(text.str()));
  MUSTER_ASSIGN_OR_RETURN(auto fields, wire::FromJson<boost::json::object>(json));
  MUSTER_ASSIGN_OR_RETURN(auto url, wire::FromJson<std::string>(fields["url"]));
  return http::Client(url);
}

int ExitOf(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kInvalid:
    case ErrorKind::kUnsupported:
      return kUsage;
    case ErrorKind::kNotFound:
      return kMissing;
    case ErrorKind::kAlreadyExists:
    case ErrorKind::kConflict:
    case ErrorKind::kFenced:
      return kConflicting;
    case ErrorKind::kUnavailable:
      return kNoServer;
    default:
      return kFailed;
  }
}

Error WithHint(Error error, std::string_view hint) {
  if (error.kind == ErrorKind::kNotFound && !hint.empty()) {
    if (error.message.ends_with('.')) error.message.pop_back();
    error.message += "; " + std::string(hint);
  }
  return error;
}

int Fail(const Context& context, const Error& error) {
  if (context.json) {
    const boost::json::object body{{"error",
                                    {{"code", boost::json::string_view(ErrorKindName(error.kind))},
                                     {"message", error.message}}}};
    std::cerr << boost::json::serialize(body) << "\n";
  } else {
    std::cerr << "muster: " << error.message << "\n";
  }
  return ExitOf(error.kind);
}

bool FancyOutput() { return isatty(STDOUT_FILENO) != 0 && std::getenv("NO_COLOR") == nullptr; }

std::string Utc(std::int64_t unix_ms, const char* format) {
  const std::time_t seconds = unix_ms / 1000;
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof text, format, &parts)};
}

std::string Short(double number) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", number);
  return text;
}

std::string Span(double seconds) {
  char text[48];
  if (seconds < 60) {
    std::snprintf(text, sizeof text, "%.1f s", seconds);
  } else if (seconds < 3600) {
    std::snprintf(text, sizeof text, "%d min %d s", static_cast<int>(seconds) / 60,
                  static_cast<int>(seconds) % 60);
  } else {
    std::snprintf(text, sizeof text, "%d h %d min", static_cast<int>(seconds) / 3600,
                  static_cast<int>(seconds) / 60 % 60);
  }
  return text;
}

void Table::Print() const {
  if (isatty(STDOUT_FILENO) == 0) {
    for (const auto& row : rows_) {
      for (std::size_t i = 0; i < row.size(); ++i) std::cout << (i == 0 ? "" : "\t") << row[i];
      std::cout << "\n";
    }
    return;
  }
  std::vector<std::size_t> widths;
  for (const auto& row : rows_) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], Width(row[i]));
  }
  const bool colour = FancyOutput();
  for (std::size_t r = 0; r < rows_.size(); ++r) {
    if (colour && r == 0) std::cout << "\033[1m";
    for (std::size_t i = 0; i < rows_[r].size(); ++i) {
      std::cout << rows_[r][i];
      if (i + 1 < rows_[r].size()) {
        std::cout << std::string(widths[i] - Width(rows_[r][i]) + 2, ' ');
      }
    }
    std::cout << (colour && r == 0 ? "\033[0m\n" : "\n");
  }
}

bool PrintJson(const Context& context, const boost::json::value& value) {
  if (!context.json) return false;
  std::cout << boost::json::serialize(value) << "\n";
  return true;
}

int Ask(const Context& context, const Question& question,
        const std::function<Status(const boost::json::value& answer)>& show) {
  auto client = context.Connect();
  if (!client.ok()) return Fail(context, client.error());
  client->SetToken(question.token);
  auto answer = client->Json(question.method, question.target, question.body);
  if (!answer.ok()) return Fail(context, WithHint(answer.error(), question.hint));
  return ShowAnswer(context, *answer, show);
}

int ShowAnswer(const Context& context, const boost::json::value& answer,
               const std::function<Status(const boost::json::value& answer)>& show) {
  if (PrintJson(context, answer)) return kDone;
  try {
    const Status shown = show(answer);
    return shown.ok() ? kDone : Fail(context, shown.error());
  } catch (const std::exception& error) {
    // Boost.JSON's, about a member that is not there or of another type.
    return Fail(context,
                Corrupt(std::string("the server's answer cannot be shown: ") + error.what()));
  }
}

int PrintExplanation(const Context& context, const std::string& path) {
  return Ask(context, {"GET", path}, [](const boost::json::value& answer) {
    for (const auto& line : answer.at("lines").as_array()) {
      std::cout << std::string_view(line.as_string()) << "\n";
    }
    return Ok();
  });
}

int AskFor(const Context& context, const std::string& path, const std::string& what,
           const std::string& verb) {
  return Ask(context, {"POST", path}, [&](const boost::json::value&) {
    if (!context.quiet) std::cout << what << ": " << verb << " is under way\n";
    return Ok();
  });
}

}  // namespace muster::cli
