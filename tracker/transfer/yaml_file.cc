#include "tracker/transfer/yaml_file.h"

#include "runtime/base/file.h"

namespace muster::tracker {

Result<YamlFile> YamlFile::Read(const std::filesystem::path& file) {
  MUSTER_ASSIGN_OR_RETURN(const std::string text, ReadWholeFile(file));
  try {
    const YAML::Node root = YAML::Load(text);
    if (!root.IsMap()) return Corrupt(file.string() + ": is no YAML map");
    return YamlFile(file, root);
  } catch (const YAML::Exception& failure) {
    return Corrupt(file.string() + ": is no YAML: " + failure.what());
  }
}

void YamlFile::Fail(const char* name, const char* wanted) {
  if (status_.ok()) {
    status_ = Corrupt(file_.string() + ": field '" + name + "' is no " + wanted);
  }
}

bool YamlFile::Has(const char* name) const { return root_[name] && !root_[name].IsNull(); }

std::string YamlFile::Text(const char* name) {
  if (!Has(name)) return "";
  if (root_[name].IsScalar()) return root_[name].Scalar();
  Fail(name, "text");
  return "";
}

std::int64_t YamlFile::Int(const char* name) {
  std::int64_t number = 0;
  if (Has(name) && !YAML::convert<std::int64_t>::decode(root_[name], number)) Fail(name, "integer");
  return number;
}

std::vector<std::pair<std::string, std::string>> YamlFile::Map(const char* name) {
  std::vector<std::pair<std::string, std::string>> entries;
  if (!Has(name) || !root_[name].IsMap()) return entries;
  for (const auto& entry : root_[name]) {
    if (!entry.first.IsScalar() || !entry.second.IsScalar()) {
      Fail(name, "map of texts");
      return entries;
    }
    entries.emplace_back(entry.first.Scalar(), entry.second.Scalar());
  }
  return entries;
}

}  // namespace muster::tracker
