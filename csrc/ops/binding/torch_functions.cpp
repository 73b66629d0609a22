// The headers of torch's stable interface call its C functions by name. Each name is defined here as a jump to where
// torch has the function, so that the extension can be loaded before torch, says in words what a torch lacks, and is
// the same file for a torch with and without CUDA.
#include "binding/torch_functions.hpp"

#include <dlfcn.h>

#include <cstdint>

// clang-format off
#define VLLM_TORCH_FUNCTION(name)                                                                      \
  extern "C" __attribute__((visibility("hidden"))) void* vllm_address_of_##name;                       \
  void* vllm_address_of_##name = nullptr;                                                              \
  asm(".pushsection .text\n.globl " #name "\n.hidden " #name "\n.type " #name ", @function\n" #name    \
      ":\n  endbr64\n  jmp *vllm_address_of_" #name "(%rip)\n.size " #name ", . - " #name "\n.popsection");
// clang-format on
#include "binding/torch_functions.def"
VLLM_TORCH_FUNCTION(aoti_torch_get_current_cuda_stream)
#undef VLLM_TORCH_FUNCTION

namespace vllm {
namespace {

struct Function {
  const char* name;
  void** address;
};

const Function kFunctions[] = {
#define VLLM_TORCH_FUNCTION(name) {#name, &vllm_address_of_##name},
#include "binding/torch_functions.def"
#undef VLLM_TORCH_FUNCTION
};

// Stands where there is no CUDA: torch's functions answer 0 for success.
std::int32_t absent() { return 1; }

}  // namespace

std::string find_torch_functions() {
  // Torch's libraries are loaded for torch alone: their symbols are found by the library's name only.
  void* cpu = dlopen("libtorch_cpu.so", RTLD_LAZY | RTLD_NOLOAD);
  if (cpu == nullptr) return "libtorch_cpu.so: expected it loaded by `import torch`, found it absent";
  for (const Function& function : kFunctions) {
    *function.address = dlsym(cpu, function.name);
    if (*function.address == nullptr)
      return std::string("torch: expected 2.11 or later, found one without ") + function.name;
  }
  void* cuda = dlopen("libtorch_cuda.so", RTLD_LAZY | RTLD_NOLOAD);
  void* stream = cuda == nullptr ? nullptr : dlsym(cuda, "aoti_torch_get_current_cuda_stream");
  vllm_address_of_aoti_torch_get_current_cuda_stream = stream != nullptr ? stream : reinterpret_cast<void*>(&absent);
  return {};
}

}  // namespace vllm
