// muster model export
#include <boost/json/object.hpp>
#include <iostream>
#include <memory>

#include "registry/files/export_form.h"
#include "runtime/cli/context.h"
#include "runtime/cli/model_fetch.h"

namespace muster::cli {
namespace {

struct ExportFlags {
  std::string model, form = "dir", out;
};

int Export(const Context& context, const ExportFlags& flags) {
  const auto form = registry::ExportFormFromName(flags.form);
  if (!form.ok()) return Fail(context, form.error());
  const auto reference = ParseModelReference(flags.model);
  if (!reference.ok()) return Fail(context, reference.error());
  auto client = context.Connect();
  if (!client.ok()) return Fail(context, client.error());
  const auto location = FetchModel(*client, *reference, context.Home() / "serving");
  if (!location.ok()) return Fail(context, location.error());
  const auto how = registry::ExportVersion(
      *form, {location->directory, location->name, location->version}, flags.out);
  if (!how.ok()) return Fail(context, how.error());
  const boost::json::object summary{{"model", location->name},
                                    {"version", location->version},
                                    {"for", flags.form},
                                    {"out", flags.out},
                                    {"deploy", *how}};
  if (!PrintJson(context, summary)) {
    std::cout << location->name << " version " << location->version << " is in " << flags.out
              << "\n"
              << *how << "\n";
  }
  return kDone;
}

}  // namespace

void AddModelExport(CLI::App& model, Context& context) {
  auto* command =
      model.add_subcommand("export", "Write a version's files in the form that a platform takes");
  auto flags = std::make_shared<ExportFlags>();
  command->add_option("model", flags->model, "NAME@ALIAS or NAME/VERSION")->required();
  command
      ->add_option("--for", flags->form,
                   "dir (as published), mlflow, triton, sagemaker, vertex or azureml")
      ->capture_default_str();
  command->add_option("--out", flags->out, "The folder, or for sagemaker the .tar.gz, to write")
      ->required();
  command->callback(
      [&context, flags] { context.run = [&context, flags] { return Export(context, *flags); }; });
}

}  // namespace muster::cli
