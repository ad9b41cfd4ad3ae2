#pragma once

#include <cstdint>

/// Field numbers of onnx.proto (onnx/onnx, v1.12), those that muster reads or writes. Private to
/// registry/onnx.

namespace muster::onnx::fields {

inline constexpr int kModelIrVersion = 1, kModelProducer = 2, kModelProducerVersion = 3,
                     kModelDoc = 6, kModelGraph = 7, kModelOpset = 8, kModelMetadata = 14,
                     kModelFunctions = 25;
inline constexpr int kOpsetDomain = 1, kOpsetVersion = 2;
inline constexpr int kEntryKey = 1, kEntryValue = 2;

inline constexpr int kGraphNode = 1, kGraphName = 2, kGraphInitializer = 5, kGraphInput = 11,
                     kGraphOutput = 12, kGraphValueInfo = 13, kGraphSparseInitializer = 15;

inline constexpr int kNodeInput = 1, kNodeOutput = 2, kNodeName = 3, kNodeOpType = 4,
                     kNodeAttribute = 5, kNodeDomain = 7;

inline constexpr int kAttributeName = 1, kAttributeFloat = 2, kAttributeInt = 3,
                     kAttributeString = 4, kAttributeTensor = 5, kAttributeFloats = 7,
                     kAttributeInts = 8, kAttributeStrings = 9, kAttributeType = 20;
/// AttributeProto.AttributeType.
inline constexpr std::int64_t kTypeFloat = 1, kTypeInt = 2, kTypeString = 3, kTypeTensor = 4,
                              kTypeGraph = 5, kTypeFloats = 6, kTypeInts = 7, kTypeStrings = 8;

inline constexpr int kTensorDims = 1, kTensorType = 2, kTensorFloats = 4, kTensorInt32s = 5,
                     kTensorStrings = 6, kTensorInt64s = 7, kTensorName = 8, kTensorRaw = 9,
                     kTensorDoubles = 10, kTensorUint64s = 11, kTensorExternal = 13,
                     kTensorLocation = 14;
/// TensorProto.DataLocation.
inline constexpr std::int64_t kLocationExternal = 1;

inline constexpr int kValueName = 1, kValueType = 2;
inline constexpr int kTypeTensorType = 1, kTypeDenotation = 6;
inline constexpr int kTensorTypeElem = 1, kTensorTypeShape = 2;
inline constexpr int kShapeDim = 1;
inline constexpr int kDimValue = 1, kDimParam = 2;

}  // namespace muster::onnx::fields
