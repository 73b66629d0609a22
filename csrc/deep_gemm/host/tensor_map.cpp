#include "host/tensor_map.hpp"

namespace deep_gemm {
namespace {

CUtensorMapSwizzle swizzle_of(std::int64_t bytes) {
  if (bytes == 128) return CU_TENSOR_MAP_SWIZZLE_128B;
  if (bytes == 64) return CU_TENSOR_MAP_SWIZZLE_64B;
  if (bytes == 32) return CU_TENSOR_MAP_SWIZZLE_32B;
  return CU_TENSOR_MAP_SWIZZLE_NONE;
}

}  // namespace

bool encode_tensor_map(const Driver& driver, const MapRequest& request, TensorMap& map, Status& status) {
  static_assert(sizeof(TensorMap) == sizeof(CUtensorMap) && alignof(TensorMap) >= alignof(CUtensorMap));
  const cuuint64_t extents[] = {static_cast<cuuint64_t>(request.extents[0]),
                                static_cast<cuuint64_t>(request.extents[1]),
                                static_cast<cuuint64_t>(request.extents[2])};
  const cuuint64_t strides[] = {static_cast<cuuint64_t>(request.line_stride * request.element_bytes),
                                static_cast<cuuint64_t>(request.group_stride * request.element_bytes)};
  const cuuint32_t box[] = {static_cast<cuuint32_t>(request.box_elements), static_cast<cuuint32_t>(request.box_lines),
                            1};
  const cuuint32_t element_strides[] = {1, 1, 1};
  const CUresult result = driver.tensor_map_encode_tiled(
      reinterpret_cast<CUtensorMap*>(&map), request.type, 3, request.data, extents, strides, box, element_strides,
      CU_TENSOR_MAP_INTERLEAVE_NONE, swizzle_of(request.box_elements * request.element_bytes),
      CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  return driver.succeeded(result, request.name, status);
}

}  // namespace deep_gemm
