#include "binding/operator.hpp"

#include <stdexcept>
#include <string>

namespace vllm {
namespace {

Operator* first = nullptr;

void expect_success(AOTITorchError error, const char* what) {
  if (error != TORCH_SUCCESS) throw std::runtime_error(std::string("torch.ops._C: torch refused ") + what);
}

TorchLibraryHandle implementations(const char* key) {
  TorchLibraryHandle library = nullptr;
  expect_success(aoti_torch_library_init_impl("_C", key, __FILE__, __LINE__, &library), key);
  return library;
}

}  // namespace

Operator::Operator(const char* name, const char* schema, Boxed boxed)
    : name_(name), schema_(schema), boxed_(boxed), next_(first) {
  first = this;
}

// A library's handle takes its operators along when it is deleted: these live as long as the process.
void Operator::register_all() {
  TorchLibraryHandle schemas = nullptr;
  expect_success(aoti_torch_library_init_fragment("_C", __FILE__, __LINE__, &schemas), "a fragment of _C");
  const TorchLibraryHandle on_cpu = implementations("CPU");
#ifdef VLLM_OPERATORS_CUDA
  const TorchLibraryHandle on_cuda = implementations("CUDA");
#endif
  for (const Operator* each = first; each != nullptr; each = each->next_) {
    expect_success(aoti_torch_library_def(schemas, (std::string(each->name_) + each->schema_).c_str()), each->name_);
    expect_success(torch_library_impl(on_cpu, each->name_, each->boxed_, TORCH_ABI_VERSION), each->name_);
#ifdef VLLM_OPERATORS_CUDA
    expect_success(torch_library_impl(on_cuda, each->name_, each->boxed_, TORCH_ABI_VERSION), each->name_);
#endif
  }
}

}  // namespace vllm
