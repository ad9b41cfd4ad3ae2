// muster model graph
#include "runtime/cli/model_graph.h"

#include <boost/json/object.hpp>
#include <iostream>
#include <memory>

#include "registry/files/onnx_file.h"
#include "registry/onnx/picture/summary.h"
#include "registry/onnx/picture/svg.h"
#include "runtime/base/file.h"
#include "runtime/cli/model_fetch.h"

namespace muster::cli {
namespace {

struct GraphFlags {
  std::string model, out;
  onnx::SvgOptions svg;
};

/// A file needs no server.
Result<onnx::Model> ReadModel(const Context& context, const std::string& name) {
  if (name.ends_with(".onnx")) return registry::ReadOnnxFile(name);
  if (const auto reference = ParseModelReference(name); !reference.ok()) {
    return Invalid(reference.error().message + ", or a file that ends in .onnx");
  }
  MUSTER_ASSIGN_OR_RETURN(auto client, context.Connect());
  return ReadVersion(context, client, name);
}

int ShowGraph(const Context& context, const GraphFlags& flags) {
  const bool svg = flags.out.ends_with(".svg");
  if (!flags.out.empty() && !svg && !flags.out.ends_with(".txt")) {
    return Fail(context,
                Invalid("--out " + flags.out + ": wanted a name that ends in .svg or .txt"));
  }
  const auto model = ReadModel(context, flags.model);
  if (!model.ok()) return Fail(context, model.error());
  const Result<std::string> page =
      svg ? onnx::Svg(*model, flags.svg) : Result<std::string>(onnx::Summary(*model));
  if (!page.ok()) return Fail(context, page.error().With(flags.model + " (see --depth)"));
  boost::json::object answer{{"model", flags.model}};
  if (flags.out.empty()) {
    answer["graph"] = *page;
    if (!PrintJson(context, answer)) std::cout << *page;
    return kDone;
  }
  const Status written = ReplaceFile(flags.out, *page);
  if (!written.ok()) return Fail(context, written.error());
  answer["out"] = flags.out;
  if (!PrintJson(context, answer)) std::cout << flags.model << " is drawn in " << flags.out << "\n";
  return kDone;
}

}  // namespace

Result<onnx::Model> ReadVersion(const Context& context, http::Client& client,
                                const std::string& name) {
  MUSTER_ASSIGN_OR_RETURN(const auto reference, ParseModelReference(name));
  MUSTER_ASSIGN_OR_RETURN(const auto location,
                          FetchModel(client, reference, context.Home() / "serving"));
  return registry::ReadOnnxFile(location.directory / "model.onnx");
}

void AddModelGraph(CLI::App& model, Context& context) {
  auto flags = std::make_shared<GraphFlags>();
  auto* command =
      model.add_subcommand("graph", "The nodes of an ONNX file, their shapes and costs");
  command->add_option("model", flags->model, "NAME@ALIAS, NAME/VERSION or FILE.onnx")->required();
  command->add_option(
      "--out", flags->out,
      "Where to: FILE.svg is a picture, FILE.txt the page (default: print the page)");
  command
      ->add_option("--depth", flags->svg.depth,
                   "Draw modules of so many name parts as one box; 0 draws every node")
      ->check(CLI::Range(0, 16))
      ->capture_default_str();
  command->callback([&context, flags] {
    context.run = [&context, flags] { return ShowGraph(context, *flags); };
  });
}

}  // namespace muster::cli
