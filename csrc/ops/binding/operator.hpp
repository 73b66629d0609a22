// An operator as torch learns of it: each file of this folder that binds one defines one.
#pragma once

#include <torch/csrc/stable/library.h>

namespace vllm {

class Operator {
 public:
  using Boxed = void (*)(StableIValue*, std::uint64_t, std::uint64_t);

  // The schema without its name. `boxed` serves the CPU, and CUDA devices where the build has kernels for them.
  Operator(const char* name, const char* schema, Boxed boxed);

  // Tell torch of all operators of the extension.
  // Raises: std::runtime_error names the operator that torch refuses.
  static void register_all();

 private:
  const char* name_;
  const char* schema_;
  Boxed boxed_;
  Operator* next_;
};

}  // namespace vllm
