// Torch's functions, found once torch is loaded: the extension is linked to no library of torch.
#pragma once

#include <string>

namespace vllm {

// Find all of them in the libraries of torch that this process has loaded; empty, or what is wrong.
std::string find_torch_functions();

}  // namespace vllm
