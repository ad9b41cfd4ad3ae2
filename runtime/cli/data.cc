// muster data convert
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <charconv>
#include <iostream>
#include <memory>
#include <sstream>

#include "runtime/cli/context.h"
#include "runtime/modules/hdf5.h"

namespace muster::cli {
namespace {

using trainer::hdf5::CsvOptions;

struct ConvertFlags {
  CsvOptions options;
  std::string csv, out = ".", shape, split = "train=0.7,validation=0.15,test=0.15";
};

template <typename Each>
Status ForEachPart(const std::string& text, char separator, Each each) {
  std::istringstream parts(text);
  for (std::string part; std::getline(parts, part, separator);) {
    MUSTER_RETURN_IF_ERROR(each(part));
  }
  return Ok();
}

Status ParseShape(const std::string& text, std::vector<std::int64_t>& shape) {
  return ForEachPart(text, ',', [&](const std::string& part) -> Status {
    std::int64_t size = 0;
    const auto read = std::from_chars(part.data(), part.data() + part.size(), size);
    if (read.ec != std::errc() || read.ptr != part.data() + part.size() || size < 1) {
      return Invalid("--shape " + text + ": '" + part + "' is no size; wanted like 1,8,8");
    }
    shape.push_back(size);
    return Ok();
  });
}

Status ParseSplits(const std::string& text, std::vector<trainer::hdf5::Split>& splits) {
  splits.clear();
  return ForEachPart(text, ',', [&](const std::string& part) -> Status {
    const auto equals = part.find('=');
    const char* const end = part.data() + part.size();
    double fraction = 0;
    std::from_chars_result read{end, std::errc()};
    if (equals != std::string::npos) {
      read = std::from_chars(part.data() + equals + 1, end, fraction);
    }
    if (read.ec != std::errc() || read.ptr != end || !(fraction > 0)) {
      return Invalid("--split " + text + ": '" + part + "'; wanted like train=0.7");
    }
    splits.push_back({part.substr(0, equals), fraction});
    return Ok();
  });
}

int Convert(const Context& context, ConvertFlags flags) {
  flags.options.csv = flags.csv;
  flags.options.out_dir = flags.out;
  if (const Status status = ParseShape(flags.shape, flags.options.row_shape); !status.ok()) {
    return Fail(context, status.error());
  }
  if (const Status status = ParseSplits(flags.split, flags.options.splits); !status.ok()) {
    return Fail(context, status.error());
  }
  const auto files = modules::ConvertCsv(context.program.parent_path(), flags.options);
  if (!files.ok()) return Fail(context, files.error());
  Table table({"FILE", "ROWS"});
  boost::json::array list;
  for (const auto& file : *files) {
    table.Add({file.path.string(), std::to_string(file.rows)});
    list.push_back({{"path", file.path.string()}, {"rows", file.rows}});
  }
  if (PrintJson(context, boost::json::object{{"files", std::move(list)}})) return kDone;
  if (!context.quiet) table.Print();
  return kDone;
}

}  // namespace

void AddData(CLI::App& app, Context& context) {
  auto* data = app.add_subcommand("data", "Prepare datasets for trials")->require_subcommand(1);
  auto* convert = data->add_subcommand(
      "convert", "A table of numbers (CSV, also .gz; the last column is the label) to HDF5 files");
  auto flags = std::make_shared<ConvertFlags>();
  convert->add_option("csv", flags->csv, "The table")->required();
  convert->add_option("--out", flags->out, "Folder for <name>-<split>.h5")->capture_default_str();
  convert->add_option("--name", flags->options.name, "What the files are called")->required();
  convert->add_option("--shape", flags->shape, "Of one row's inputs, as 1,8,8 (default: flat)");
  convert->add_option("--split", flags->split, "Shares of the rows")->capture_default_str();
  convert->add_option("--seed", flags->options.seed, "Of the split")->capture_default_str();
  convert->add_flag("--header", flags->options.header, "Skip the first line");
  convert->callback(
      [&context, flags] { context.run = [&context, flags] { return Convert(context, *flags); }; });
}

}  // namespace muster::cli
