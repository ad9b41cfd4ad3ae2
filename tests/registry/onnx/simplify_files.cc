// simplify_files DIR: beside each FILE.onnx below DIR, writes FILE.simple (the model after Simplify) and FILE.shapes
// (a line "name<TAB>type<TAB>dims" for each value that shape inference knows of), for passes_oracle.py to judge.

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "registry/files/onnx_file.h"
#include "registry/onnx/checker.h"
#include "registry/onnx/passes/passes.h"
#include "registry/onnx/shapes/infer.h"
#include "registry/onnx/writer.h"

namespace muster::onnx {
namespace {

/// "batch,3,?"; "*" for an unknown rank.
std::string DimsText(const ValueInfo& info) {
  if (!info.has_shape) return "*";
  std::string text;
  for (const Dim& dim : info.shape) {
    const std::string symbol = dim.symbol.empty() ? "?" : dim.symbol;
    text += (text.empty() ? "" : ",") + (dim.size >= 0 ? std::to_string(dim.size) : symbol);
  }
  return text;
}

Status Treat(const std::filesystem::path& file) {
  MUSTER_ASSIGN_OR_RETURN(Model model, registry::ReadOnnxFile(file));
  MUSTER_RETURN_IF_ERROR(Check(model));
  const Inference inference = InferShapes(model);
  std::ofstream shapes(std::filesystem::path(file).replace_extension(".shapes"));
  for (const auto& [name, value] : inference.values) {
    shapes << name << "\t" << static_cast<int>(value.type) << "\t" << DimsText(inference.Info(name))
           << "\n";
  }
  const std::size_t before = model.graph.nodes.size();
  const Passed passed = Simplify(std::move(model));
  MUSTER_RETURN_IF_ERROR(Check(passed.model));
  MUSTER_ASSIGN_OR_RETURN(const std::string simple, Write(passed.model));
  std::ofstream(std::filesystem::path(file).replace_extension(".simple"), std::ios::binary)
      << simple;
  std::printf("%s: %zu nodes, %zu after %zu changes\n", file.c_str(), before,
              passed.model.graph.nodes.size(), passed.changes);
  return Ok();
}

}  // namespace
}  // namespace muster::onnx

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: simplify_files DIR\n");
    return 2;
  }
  int failed = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(argv[1])) {
    if (entry.path().extension() != ".onnx") continue;
    const muster::Status status = muster::onnx::Treat(entry.path());
    if (status.ok()) continue;
    std::fprintf(stderr, "%s: %s\n", entry.path().c_str(), status.error().message.c_str());
    failed = 1;
  }
  return failed;
}
