#include "registry/safetensors.h"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <utility>

#include "runtime/wire/codec.h"

namespace muster::registry {
namespace {

constexpr std::uint64_t kHeaderMax = 100'000'000;
constexpr std::string_view kMetadata = "__metadata__";

struct TypeName {
  std::string_view name;
  ElementType type;
  std::uint64_t size;
};
constexpr std::array<TypeName, 13> kTypes = {{{"F64", ElementType::kF64, 8},
                                              {"F32", ElementType::kF32, 4},
                                              {"F16", ElementType::kF16, 2},
                                              {"BF16", ElementType::kBf16, 2},
                                              {"I64", ElementType::kI64, 8},
                                              {"I32", ElementType::kI32, 4},
                                              {"I16", ElementType::kI16, 2},
                                              {"I8", ElementType::kI8, 1},
                                              {"U64", ElementType::kU64, 8},
                                              {"U32", ElementType::kU32, 4},
                                              {"U16", ElementType::kU16, 2},
                                              {"U8", ElementType::kU8, 1},
                                              {"BOOL", ElementType::kBool, 1}}};

const TypeName* FindType(std::string_view name) {
  const auto* found = std::find_if(kTypes.begin(), kTypes.end(),
                                   [&](const TypeName& type) { return type.name == name; });
  return found == kTypes.end() ? nullptr : found;
}

const TypeName& NameOf(ElementType wanted) {
  const auto* found = std::find_if(kTypes.begin(), kTypes.end(),
                                   [&](const TypeName& type) { return type.type == wanted; });
  MUSTER_CHECK(found != kTypes.end(), "every element type has a safetensors name");
  return *found;
}

/// Product of shape x size, or nothing when it is negative or does not fit.
std::optional<std::uint64_t> ByteCount(const std::vector<std::int64_t>& shape, std::uint64_t size) {
  std::uint64_t count = size;
  for (const std::int64_t extent : shape) {
    const auto wide = static_cast<std::uint64_t>(extent);
    if (extent < 0) return std::nullopt;
    if (wide != 0 && count > std::numeric_limits<std::uint64_t>::max() / wide) return std::nullopt;
    count *= wide;
  }
  return count;
}

/// As it stands in the header.
struct Entry {
  std::string dtype;
  std::vector<std::int64_t> shape;
  std::vector<std::uint64_t> data_offsets;
};
BOOST_DESCRIBE_STRUCT(Entry, (), (dtype, shape, data_offsets))

Result<PlacedTensor> Place(std::string_view name, const wire::Json& json, std::uint64_t data_size) {
  const std::string named = "tensor '" + std::string(name) + "'";
  const auto entry = wire::FromJson<Entry>(json);
  if (!entry.ok()) return Corrupt(named + ": " + entry.error().message);
  const TypeName* type = FindType(entry->dtype);
  if (type == nullptr) return Corrupt(named + " has the unknown dtype '" + entry->dtype + "'");
  if (entry->data_offsets.size() != 2) {
    return Corrupt(named + " has " + std::to_string(entry->data_offsets.size()) +
                   " data_offsets; wanted begin and end");
  }
  PlacedTensor placed;
  placed.begin = entry->data_offsets[0];
  placed.end = entry->data_offsets[1];
  if (placed.begin > placed.end || placed.end > data_size) {
    return Corrupt(named + " lies at " + std::to_string(placed.begin) + ".." +
                   std::to_string(placed.end) + " of " + std::to_string(data_size) + " bytes");
  }
  const auto wanted = ByteCount(entry->shape, type->size);
  if (wanted != placed.end - placed.begin) {
    return Corrupt(named + " has " + std::to_string(placed.end - placed.begin) +
                   " bytes; its shape and dtype want " +
                   (wanted ? std::to_string(*wanted) : "more than there can be"));
  }
  placed.name = name;
  placed.type = type->type;
  placed.shape = entry->shape;
  return placed;
}

}  // namespace

Result<const Tensor*> SafetensorsFile::Find(std::string_view name) const {
  std::string there;
  for (const Tensor& tensor : tensors) {
    if (tensor.name == name) return &tensor;
    there += (there.empty() ? "" : ", ") + tensor.name;
  }
  return NotFound("no tensor '" + std::string(name) + "'; there are: " + there);
}

Result<std::uint64_t> SafetensorsHeaderSize(std::string_view first_bytes, std::uint64_t file_size) {
  if (first_bytes.size() < 8 || file_size < 8) {
    return Corrupt(
        "safetensors: " + std::to_string(std::min<std::uint64_t>(first_bytes.size(), file_size)) +
        " bytes; wanted at least the 8 of the header's length");
  }
  std::uint64_t size = 0;
  for (std::size_t i = 8; i-- > 0;) size = size << 8 | static_cast<unsigned char>(first_bytes[i]);
  if (size > kHeaderMax || size > file_size - 8) {
    return Corrupt("safetensors: a header of " + std::to_string(size) + " bytes in " +
                   std::to_string(file_size));
  }
  return size;
}

Result<SafetensorsLayout> ReadSafetensorsHeader(std::string_view header, std::uint64_t data_size) {
  if (!header.starts_with('{')) return Corrupt("safetensors: the header does not begin with '{'");
  header = header.substr(0, header.find_last_not_of(' ') + 1);
  const auto json = wire::ParseJson(header);
  if (!json.ok()) return Corrupt("safetensors header: " + json.error().message);
  if (!json->is_object()) return Corrupt("safetensors: the header is no object");

  SafetensorsLayout layout;
  for (const auto& member : json->get_object()) {
    if (member.key() == kMetadata) {
      auto metadata = wire::FromJson<std::map<std::string, std::string>>(member.value());
      if (!metadata.ok()) return Corrupt("safetensors metadata: " + metadata.error().message);
      layout.metadata = std::move(metadata).value();
      continue;
    }
    MUSTER_ASSIGN_OR_RETURN(auto one, Place(member.key(), member.value(), data_size));
    layout.tensors.push_back(std::move(one));
  }
  std::sort(layout.tensors.begin(), layout.tensors.end(),
            [](const PlacedTensor& a, const PlacedTensor& b) {
              return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
            });
  std::uint64_t end = 0;
  for (const PlacedTensor& one : layout.tensors) {
    if (one.begin != end) {
      return Corrupt("tensor '" + one.name + "' begins at " + std::to_string(one.begin) +
                     "; the one before it ends at " + std::to_string(end));
    }
    end = one.end;
  }
  if (end != data_size) {
    return Corrupt("safetensors: " + std::to_string(data_size - end) +
                   " bytes after the last tensor");
  }
  return layout;
}

Result<SafetensorsFile> ReadSafetensors(std::string_view bytes) {
  MUSTER_ASSIGN_OR_RETURN(const std::uint64_t header_size,
                          SafetensorsHeaderSize(bytes, bytes.size()));
  const std::string_view data = bytes.substr(8 + header_size);
  MUSTER_ASSIGN_OR_RETURN(SafetensorsLayout layout,
                          ReadSafetensorsHeader(bytes.substr(8, header_size), data.size()));
  SafetensorsFile file;
  file.metadata = std::move(layout.metadata);
  for (PlacedTensor& one : layout.tensors) {
    const auto* first = reinterpret_cast<const std::byte*>(data.data());
    file.tensors.push_back({.name = std::move(one.name),
                            .type = one.type,
                            .shape = std::move(one.shape),
                            .bytes = {first + one.begin, first + one.end}});
  }
  return file;
}

std::string WriteSafetensorsHead(const std::vector<PlacedTensor>& tensors,
                                 const std::map<std::string, std::string>& metadata) {
  boost::json::object header;
  if (!metadata.empty()) header[kMetadata] = wire::ToJson(metadata);
  std::uint64_t end = 0;
  for (const PlacedTensor& tensor : tensors) {
    const TypeName& type = NameOf(tensor.type);
    const auto bytes = ByteCount(tensor.shape, type.size);
    MUSTER_CHECK(bytes.has_value(), "a tensor that is in memory has a size");
    MUSTER_CHECK(tensor.name != kMetadata && !header.contains(tensor.name),
                 "tensor names are distinct");
    header[tensor.name] =
        wire::ToJson(Entry{std::string(type.name), tensor.shape, {end, end + *bytes}});
    end += *bytes;
  }
  std::string text = wire::SerializeJson(header);
  text.resize((text.size() + 7) / 8 * 8, ' ');  // so that the data is aligned when mapped
  std::string head;
  for (int i = 0; i < 8; ++i) {
    head += static_cast<char>(static_cast<std::uint64_t>(text.size()) >> (8 * i) & 0xff);
  }
  return head + text;
}

std::string WriteSafetensors(const std::vector<Tensor>& tensors,
                             const std::map<std::string, std::string>& metadata) {
  std::vector<PlacedTensor> placed;
  std::size_t bytes = 0;
  for (const Tensor& tensor : tensors) {
    MUSTER_CHECK(ByteCount(tensor.shape, NameOf(tensor.type).size) == tensor.bytes.size(),
                 "a tensor's bytes fit its shape");
    placed.push_back({.name = tensor.name, .type = tensor.type, .shape = tensor.shape});
    bytes += tensor.bytes.size();
  }
  std::string file = WriteSafetensorsHead(placed, metadata);
  file.reserve(file.size() + bytes);
  for (const Tensor& tensor : tensors) {
    file.append(reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size());
  }
  return file;
}

}  // namespace muster::registry
