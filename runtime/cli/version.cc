// muster version
#include "runtime/cli/version.h"

#include <boost/json/object.hpp>
#include <iostream>

#include "runtime/wire/messages.h"

namespace muster::cli {

std::string VersionText() { return std::string("muster ") + MUSTER_VERSION; }

void AddVersion(CLI::App& app, Context& context) {
  app.add_subcommand("version", "Versions of the program and of its protocol")
      ->callback([&context] {
        context.run = [&context] {
          const std::string protocol =
              std::to_string(wire::kMajorVersion) + "." + std::to_string(wire::kMinorVersion);
          const boost::json::object json{{"version", MUSTER_VERSION}, {"protocol", protocol}};
          if (!PrintJson(context, json)) {
            std::cout << VersionText() << " (agent protocol " << protocol << ", and major "
                      << wire::kOldestMajor << "; MLflow API 3.18)\n";
          }
          return int{kDone};
        };
      });
}

}  // namespace muster::cli
