#include "tracker/s3/xml.h"

#include <boost/property_tree/ptree.hpp>
#include <boost/property_tree/xml_parser.hpp>
#include <sstream>

namespace muster::tracker::s3 {

namespace {

using boost::property_tree::ptree;

Result<ptree> Parse(std::string_view xml) {
  std::istringstream text{std::string(xml)};
  ptree tree;
  try {
    boost::property_tree::read_xml(text, tree);
  } catch (const boost::property_tree::xml_parser_error& error) {
    return Corrupt("S3 answered no XML: " + error.message());
  }
  return tree;
}

std::string Escaped(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '&') {
      escaped += "&amp;";
    } else if (c == '<') {
      escaped += "&lt;";
    } else {
      escaped += c;
    }
  }
  return escaped;
}

}  // namespace

Result<Listing> ParseListing(std::string_view xml) {
  MUSTER_ASSIGN_OR_RETURN(const ptree tree, Parse(xml));
  const auto root = tree.get_child_optional("ListBucketResult");
  if (!root) return Corrupt("S3 answered no ListBucketResult");
  Listing listing;
  for (const auto& [name, child] : *root) {
    if (name == "Contents") {
      listing.objects.emplace_back(child.get("Key", ""), child.get<std::int64_t>("Size", 0));
    } else if (name == "CommonPrefixes") {
      listing.prefixes.push_back(child.get("Prefix", ""));
    } else if (name == "NextContinuationToken") {
      listing.next = child.data();
    }
  }
  return listing;
}

Result<std::string> ParseUploadId(std::string_view xml) {
  MUSTER_ASSIGN_OR_RETURN(const ptree tree, Parse(xml));
  std::string id = tree.get("InitiateMultipartUploadResult.UploadId", "");
  if (id.empty()) return Corrupt("S3 answered no UploadId");
  return id;
}

std::string ParseError(std::string_view xml) {
  const auto tree = Parse(xml);
  if (!tree || !tree->get_child_optional("Error")) return "";
  return tree->get("Error.Code", "") + ": " + tree->get("Error.Message", "");
}

std::string CompletionOf(const std::vector<ArtifactPart>& parts) {
  std::string xml = "<CompleteMultipartUpload>";
  for (const ArtifactPart& part : parts) {
    xml += "<Part><PartNumber>" + std::to_string(part.number) + "</PartNumber><ETag>" +
           Escaped(part.etag) + "</ETag></Part>";
  }
  return xml + "</CompleteMultipartUpload>";
}

}  // namespace muster::tracker::s3
