#include "registry/package/edge_manifest.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "runtime/wire/codec.h"

namespace muster::registry {
namespace {

using boost::json::array;
using boost::json::object;

array Ends(const std::vector<TensorSpec>& specs) {
  array ends;
  for (const TensorSpec& spec : specs) {
    ends.push_back(object{{"name", spec.name},
                          {"type", ElementTypeName(spec.type)},
                          {"shape", wire::ToJson(spec.shape)}});
  }
  return ends;
}

}  // namespace

std::string ToJson(const EdgeManifest& manifest) {
  std::vector<EdgeFile> sorted = manifest.files;
  std::ranges::sort(sorted, {}, &EdgeFile::path);
  array files;
  for (const EdgeFile& file : sorted) {
    files.push_back(object{{"path", file.path}, {"bytes", file.bytes}, {"sha256", file.sha256}});
  }
  const object engine = {
      {"name", manifest.engine},
      {"options", object{{"INFERENCE_PRECISION_HINT", "f32"},
                         {"DYNAMIC_QUANTIZATION_GROUP_SIZE", manifest.activation_group}}}};
  return wire::SerializeJson(object{{"format", 1},
                                    {"model", manifest.model},
                                    {"version", manifest.version},
                                    {"form", manifest.form},
                                    {"task", manifest.task},
                                    {"inputs", Ends(manifest.inputs)},
                                    {"outputs", Ends(manifest.outputs)},
                                    {"engine", engine},
                                    {"files", std::move(files)}}) +
         "\n";
}

std::string TaskOfMlBom(const std::string& text) {
  const auto json = wire::ParseJson(text);
  if (!json.ok()) return "";
  boost::system::error_code none;
  const auto* task = json->find_pointer("/metadata/component/modelCard/modelParameters/task", none);
  return task != nullptr && task->is_string() ? std::string(task->get_string()) : "";
}

}  // namespace muster::registry
