#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "runtime/base/result.h"
#include "runtime/wire/codec.h"
#include "runtime/wire/messages.h"

/// What both majors share: a message's body, its bounds, and the sentences of refusals. For the .cc files of
/// this folder. A type is an index of `Message` and of `kMessageTypes`.

namespace muster::wire {

/// JSON values in one message (an object with two members has three). A value of two bytes takes two dozen in
/// memory, which is why the length alone is no bound.
inline constexpr std::size_t kBodyValuesMax = 300'000;

Json BodyToJson(const Message& message);
/// The same as text.
std::string EncodeBody(const Message& message);
/// Decodes and checks (CheckMessage).
Result<Message> BodyFromJson(std::size_t type, const Json& body);

Result<std::size_t> TypeOfName(std::string_view name);
/// `minor`: of the frame, for the sentence.
Result<std::size_t> TypeOfNumber(int number, int minor);

Error AnotherMajor(int major, int minor, Majors spoken);
Error TooLong(std::string_view what, std::size_t bytes, std::size_t bytes_max);

}  // namespace muster::wire
