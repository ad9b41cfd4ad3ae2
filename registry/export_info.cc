#include "registry/evaluation.h"
#include "runtime/wire/codec.h"

namespace muster::registry {

BOOST_DESCRIBE_STRUCT(DataVersion, (), (path, digest, changed))

namespace {

constexpr int kFormat = 2;

/// export.json as it stands.
struct End {
  std::string name, type = "FP32";
  std::vector<std::int64_t> shape;
};
BOOST_DESCRIBE_STRUCT(End, (), (name, type, shape))
struct ExportFile {
  int format = 1;
  std::int64_t opset = 0;
  std::string task = "classes";
  std::vector<End> inputs, outputs;
  std::optional<End> input, output;  ///< of format 1
  std::map<std::string, double> metrics;
  std::map<std::string, DataVersion> data;
  std::map<std::string, std::string> environment;
};
BOOST_DESCRIBE_STRUCT(ExportFile, (),
                      (format, opset, task, inputs, outputs, input, output, metrics, data,
                       environment))

Result<std::vector<TensorSpec>> Specs(const std::vector<End>& ends, std::string_view key) {
  if (ends.empty()) return Invalid("at " + std::string(key) + ": wanted one or more");
  std::vector<TensorSpec> specs;
  for (const End& end : ends) {
    if (end.name.empty() || end.shape.empty()) {
      return Invalid("at " + std::string(key) + ": each needs a name and a shape");
    }
    MUSTER_ASSIGN_OR_RETURN(const ElementType type, ElementTypeFromName(end.type));
    specs.push_back({end.name, type, end.shape});
  }
  return specs;
}

std::vector<End> Ends(const std::vector<TensorSpec>& specs) {
  std::vector<End> ends;
  ends.reserve(specs.size());
  for (const TensorSpec& spec : specs) {
    ends.push_back({spec.name, std::string(ElementTypeName(spec.type)), spec.shape});
  }
  return ends;
}

Result<ExportInfo> Read(std::string_view text) {
  MUSTER_ASSIGN_OR_RETURN(ExportFile file, wire::Decode<ExportFile>(text));
  if (file.format < 1 || file.format > kFormat) {
    return Unsupported("format " + std::to_string(file.format) + "; this program reads 1 to " +
                       std::to_string(kFormat));
  }
  if (file.format == 1) {
    if (file.input) file.inputs = {*file.input};
    if (file.output) file.outputs = {*file.output};
  }
  ExportInfo info;
  info.opset = file.opset;
  MUSTER_ASSIGN_OR_RETURN(info.task, TaskFromName(file.task));
  MUSTER_ASSIGN_OR_RETURN(info.inputs, Specs(file.inputs, "inputs"));
  MUSTER_ASSIGN_OR_RETURN(info.outputs, Specs(file.outputs, "outputs"));
  info.metrics = std::move(file.metrics);
  info.data = std::move(file.data);
  info.environment = std::move(file.environment);
  return info;
}

}  // namespace

Result<ExportInfo> ExportInfoFromJson(std::string_view text) {
  auto info = Read(text);
  if (!info.ok()) return info.error().With("export.json");
  return info;
}

std::string ToJson(const ExportInfo& info) {
  ExportFile file;
  file.format = kFormat;
  file.opset = info.opset;
  file.task = TaskName(info.task);
  file.inputs = Ends(info.inputs);
  file.outputs = Ends(info.outputs);
  file.metrics = info.metrics;
  file.data = info.data;
  file.environment = info.environment;
  return wire::Encode(file);
}

}  // namespace muster::registry
