#include "runtime/filter/names.h"

#include <algorithm>
#include <vector>

#include "runtime/filter/python_text.h"

namespace muster::filter {

namespace {

bool StartsCharacter(char byte) { return (byte & 0xC0) != 0x80; }

/// Python's posixpath.normpath.
std::string NormalPath(std::string_view path) {
  std::vector<std::string_view> parts;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = path.substr(begin, end - begin);
    begin = end + 1;
    if (part.empty() || part == ".") continue;
    if (part == ".." && !parts.empty() && parts.back() != "..") {
      parts.pop_back();
    } else if (part != ".." || !path.starts_with('/')) {
      parts.push_back(part);
    }
  }
  // Two slashes at the front are kept, three are one: POSIX leaves their meaning open.
  std::string normal;
  if (path.starts_with('/'))
    normal = path.starts_with("//") && !path.starts_with("///") ? "//" : "/";
  for (std::size_t i = 0; i < parts.size(); ++i) normal += (i ? "/" : "") + std::string(parts[i]);
  return normal.empty() ? "." : normal;
}

}  // namespace

std::size_t Characters(std::string_view utf8) {
  return static_cast<std::size_t>(std::ranges::count_if(utf8, StartsCharacter));
}

void CutTo(std::string& utf8, std::size_t characters) {
  if (utf8.size() <= characters) return;
  std::size_t seen = 0;
  for (std::size_t i = 0; i < utf8.size(); ++i) {
    if (StartsCharacter(utf8[i]) && seen++ == characters) {
      utf8.resize(i);
      return;
    }
  }
}

Status CheckLength(std::string_view what, std::string_view value, std::size_t most) {
  if (value.size() <= most || Characters(value) <= most) return Ok();
  return Invalid("'" + std::string(what) + "' exceeds the maximum length of " +
                 std::to_string(most) + " characters");
}

Status CheckName(std::string_view name, std::string_view parameter) {
  if (!HasOnlyWords(name, "/.- :")) {
    return InvalidValue(parameter, name,
                        "Names may only contain alphanumerics, underscores (_), dashes (-), "
                        "periods (.), spaces ( ), colon(:) and slashes (/).");
  }
  return CheckPathName(name, parameter);
}

Status CheckPathName(std::string_view name, std::string_view parameter) {
  const std::string normal = NormalPath(name);
  if (normal == name && normal != "." && !normal.starts_with("..") && !normal.starts_with('/')) {
    return Ok();
  }
  return InvalidValue(parameter, name,
                      "Names may be treated as files in certain cases, and must not resolve to "
                      "other names when treated as such. This name would resolve to " +
                          PythonRepr(normal));
}

Error InvalidValue(std::string_view parameter, std::string_view value, std::string_view why) {
  const std::string head =
      "Invalid value " + PythonJson(value) + " for parameter '" + std::string(parameter);
  return Invalid(head + (why.empty() ? "' supplied." : "' supplied: " + std::string(why)));
}

}  // namespace muster::filter
