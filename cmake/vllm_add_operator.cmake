include_guard()
include(deepgemm_check_arguments)

# Add csrc/ops/{binding,cpu}/<operator>.cpp and, with NVCC, cuda/<operator>.cu to <target>: an object each, so that an
# edit compiles one. `test_<operator>` builds, installs into the checkout and runs the operator's tests.
#
# STAMP is a file that is newer than the objects of nvcc once they must be made again.
#
#   vllm_add_operator(NAME <operator> TARGET <target> [NVCC <path>] [STAMP <file>])
function(vllm_add_operator)
  cmake_parse_arguments(PARSE_ARGV 0 ARG "" "NAME;TARGET;NVCC;STAMP" "")
  deepgemm_check_arguments(vllm_add_operator REQUIRED NAME TARGET)
  set(source "${CMAKE_SOURCE_DIR}/csrc/ops")
  target_sources(${ARG_TARGET} PRIVATE "${source}/binding/${ARG_NAME}.cpp" "${source}/cpu/${ARG_NAME}.cpp")
  # Plain loops that the compiler vectorises: it may take both sides of a choice, and nothing reads errno.
  set_source_files_properties("${source}/cpu/${ARG_NAME}.cpp" PROPERTIES
    COMPILE_OPTIONS "-O3;-fno-math-errno;-fno-trapping-math")
  if(ARG_NVCC)
    _vllm_add_cuda_object()
  endif()
  add_custom_target(test_${ARG_NAME}
    COMMAND "${CMAKE_COMMAND}" --install "${CMAKE_BINARY_DIR}" --component _C --prefix "${CMAKE_SOURCE_DIR}"
    COMMAND "${VLLM_PYTHON_EXECUTABLE}" -m pytest "tests/ops/test_${ARG_NAME}.py"
    DEPENDS ${ARG_TARGET}
    WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}" USES_TERMINAL VERBATIM)
endfunction()

# As in deepgemm_add_cubins.cmake: version 3.19 keeps `cmake -E` out of the rule, relative paths the checkout.
cmake_policy(PUSH)
cmake_policy(VERSION 3.19)

function(_vllm_add_cuda_object)
  file(RELATIVE_PATH csrc "${CMAKE_BINARY_DIR}" "${CMAKE_SOURCE_DIR}/csrc/ops")
  set(object "operators/${ARG_NAME}.cu.o")
  set(pool "")
  if(VLLM_CUDA_JOB_POOL)
    set(pool JOB_POOL "${VLLM_CUDA_JOB_POOL}")
  endif()
  add_custom_command(
    OUTPUT "${CMAKE_BINARY_DIR}/${object}"
    BYPRODUCTS "${CMAKE_BINARY_DIR}/${object}.ptxas.txt"
    COMMAND sh "${csrc}/../../cmake/compile_cubin.sh" "${object}" "${ARG_NVCC}"
      -c -gencode=arch=compute_90a,code=sm_90a -std=c++20 -O3 --expt-relaxed-constexpr -Xptxas -v
      -Xcompiler -fPIC,-fvisibility=hidden -I "${csrc}" -MD -MF "${object}.d" -o "${object}" "${csrc}/cuda/${ARG_NAME}.cu"
    DEPENDS "${CMAKE_SOURCE_DIR}/csrc/ops/cuda/${ARG_NAME}.cu" "${CMAKE_SOURCE_DIR}/cmake/compile_cubin.sh" ${ARG_STAMP}
    DEPFILE "${object}.d"
    ${pool}
    WORKING_DIRECTORY "${CMAKE_BINARY_DIR}"
    COMMENT "Compiling ${ARG_NAME}.cu"
    VERBATIM)
  set_source_files_properties("${CMAKE_BINARY_DIR}/${object}" PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
  target_sources(${ARG_TARGET} PRIVATE "${CMAKE_BINARY_DIR}/${object}")
endfunction()

cmake_policy(POP)
