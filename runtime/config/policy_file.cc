#include "runtime/config/policy_file.h"

#include <yaml-cpp/yaml.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "runtime/base/file.h"

namespace muster::config {
namespace {

namespace json = boost::json;

constexpr std::size_t kMostBytes = 1 << 20;
constexpr int kMaxDepth = 8;

json::value ToJson(const YAML::Node& node, int depth = 0) {
  if (depth > kMaxDepth || node.IsNull() || !node.IsDefined()) return nullptr;
  if (node.IsScalar()) return json::value(node.Scalar());
  if (node.IsSequence()) {
    json::array list;
    for (const auto& element : node) list.push_back(ToJson(element, depth + 1));
    return list;
  }
  json::object map;
  for (const auto& entry : node) map[entry.first.Scalar()] = ToJson(entry.second, depth + 1);
  return map;
}

}  // namespace

Result<registry::ApprovalPolicy> ParsePolicy(std::string_view text, std::string_view name) {
  json::value tree;
  try {
    tree = ToJson(YAML::Load(std::string(text)));
  } catch (const YAML::Exception& failure) {
    return Invalid(std::string(name) + ":" + std::to_string(failure.mark.line + 1) + ":" +
                   std::to_string(failure.mark.column + 1) + ": " + failure.msg);
  }
  auto policy = registry::PolicyFromJson(tree);
  return policy.ok() ? policy : policy.error().With(name);
}

Result<registry::ApprovalPolicy> ReadPolicyFile(const std::filesystem::path& file) {
  MUSTER_ASSIGN_OR_RETURN(const std::string text, ReadWholeFile(file, kMostBytes));
  return ParsePolicy(text, file.string());
}

}  // namespace muster::config
