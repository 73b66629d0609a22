#include "host/embedded_cubins.hpp"

#include <cstring>

// Defined by the assembler file that the build generates around the cubins.
extern "C" {
extern const deep_gemm::EmbeddedCubin deep_gemm_cubins[];
extern const unsigned long deep_gemm_cubin_count;
}

namespace deep_gemm {

std::size_t cubin_count() { return deep_gemm_cubin_count; }

const EmbeddedCubin& cubin_at(std::size_t index) { return deep_gemm_cubins[index]; }

const EmbeddedCubin* find_cubin(const char* name) {
  for (std::size_t i = 0; i < deep_gemm_cubin_count; ++i)
    if (std::strcmp(deep_gemm_cubins[i].name, name) == 0) return &deep_gemm_cubins[i];
  return nullptr;
}

const char* cubin_damage(const EmbeddedCubin& cubin) {
  constexpr std::size_t kHeaderBytes = 64;
  constexpr unsigned char kMagic[] = {0x7f, 'E', 'L', 'F', 2, 1};
  constexpr unsigned char kMachineCuda = 190;
  if (cubin.bytes() < kHeaderBytes) return "shorter than an ELF header";
  if (std::memcmp(cubin.begin, kMagic, sizeof(kMagic)) != 0) return "no 64-bit little-endian ELF file";
  if (cubin.begin[18] != kMachineCuda || cubin.begin[19] != 0) return "no NVIDIA CUDA machine code";
  return nullptr;
}

}  // namespace deep_gemm
