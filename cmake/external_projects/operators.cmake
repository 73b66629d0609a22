# Operators of torch.ops._C: one vllm/_C.abi3.so for every CPython from 3.10 and torch from 2.11 on.
#
# Needs the headers of a torch and no library of it. Where no torch is found the operators are left out (decision 26).
include_guard()
include(vllm_add_operator)
include(vllm_cuda_runtime)
include(vllm_find_torch)
include(vllm_python_include)

set(operators
  moe_permute
  moe_unpermute
  per_token_group_quant_fp8
  rotary_embedding
  silu_and_mul
  silu_and_mul_per_token_group_quant_fp8)
set(operators_binding
  module.cpp
  operator.cpp
  parallel.cpp
  torch_functions.cpp)
list(TRANSFORM operators_binding PREPEND "${CMAKE_SOURCE_DIR}/csrc/ops/binding/")

vllm_find_torch(OUTPUT torch)
if(NOT torch_INCLUDE)
  message(STATUS "Operators: left out, no torch of 2.11 or later in ${VLLM_PYTHON_EXECUTABLE}'s environment")
  install(CODE "message(STATUS \"Operators: left out, no torch when this folder was configured\")" COMPONENT _C)
  return()
endif()
vllm_python_include(OUTPUT operators_python)
set(operators_device "CPU")
if(VLLM_TARGET_DEVICE STREQUAL "cuda")
  vllm_cuda_runtime(INCLUDE "${cuda_INCLUDE}" OUTPUT operators_cudart)
  if(operators_cudart)
    set(operators_device "CPU, CUDA")
  else()
    set(operators_device "CPU (no libcudart_static.a beside ${cuda_INCLUDE})")
  endif()
endif()

add_library(vllm_C MODULE ${operators_binding})
target_compile_features(vllm_C PRIVATE cxx_std_20)
target_include_directories(vllm_C PRIVATE "${CMAKE_SOURCE_DIR}/csrc/ops")
target_include_directories(vllm_C SYSTEM PRIVATE "${torch_INCLUDE}" "${operators_python}")
# The version of torch's interface that we keep to, and its functions of CUDA builds. The release on the command line
# compiles again where another torch was unpacked in place, whose headers may be older than the objects.
target_compile_definitions(vllm_C PRIVATE
  TORCH_TARGET_VERSION=0x020b000000000000 USE_CUDA VLLM_TORCH_VERSION="${torch_VERSION}")
target_compile_options(vllm_C PRIVATE -Wall -Wextra "-ffile-prefix-map=${CMAKE_SOURCE_DIR}=.")
target_link_libraries(vllm_C PRIVATE ${CMAKE_DL_LIBS})
target_link_options(vllm_C PRIVATE
  "LINKER:--version-script=${CMAKE_SOURCE_DIR}/cmake/operators.map" LINKER:--gc-sections LINKER:-z,relro,-z,now)
if(operators_cudart)
  find_package(Threads REQUIRED)
  target_compile_definitions(vllm_C PRIVATE VLLM_OPERATORS_CUDA)
  target_link_libraries(vllm_C PRIVATE "${operators_cudart}" Threads::Threads rt)
endif()
set_target_properties(vllm_C PROPERTIES
  PREFIX "" OUTPUT_NAME _C SUFFIX ".abi3.so"
  CXX_EXTENSIONS OFF
  CXX_SCAN_FOR_MODULES OFF
  CXX_VISIBILITY_PRESET hidden
  VISIBILITY_INLINES_HIDDEN ON
  POSITION_INDEPENDENT_CODE ON
  BUILD_WITH_INSTALL_RPATH ON
  LINK_DEPENDS "${CMAKE_SOURCE_DIR}/cmake/operators.map"
  LIBRARY_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/operators")
foreach(operator IN LISTS operators)
  if(operators_cudart)
    vllm_add_operator(NAME ${operator} TARGET vllm_C NVCC "${cuda_NVCC}" STAMP "${inputs_NVCC_STAMP}")
  else()
    vllm_add_operator(NAME ${operator} TARGET vllm_C)
  endif()
endforeach()
install(TARGETS vllm_C LIBRARY DESTINATION vllm COMPONENT _C)

list(LENGTH operators operator_count)
message(STATUS "Operators
     torch           ${torch_VERSION}, headers of ${torch_INCLUDE}
     operators       ${operator_count}
     devices         ${operators_device}")
