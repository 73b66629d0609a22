// The cubins inside of the library: an inventory, and whether each is what it should be.
#pragma once

#include <cstddef>

namespace deep_gemm {

// One compiled kernel as the build embeds it.
struct EmbeddedCubin {
  const char* name;  // the cubin's file name without its suffix
  const unsigned char* begin;
  const unsigned char* end;

  std::size_t bytes() const { return static_cast<std::size_t>(end - begin); }
};

std::size_t cubin_count();
const EmbeddedCubin& cubin_at(std::size_t index);
const EmbeddedCubin* find_cubin(const char* name);

// Why a cubin is not sm_90a machine code, or nullptr. Source: ELF gABI (identification, e_machine 190 is NVIDIA CUDA).
const char* cubin_damage(const EmbeddedCubin& cubin);

}  // namespace deep_gemm
