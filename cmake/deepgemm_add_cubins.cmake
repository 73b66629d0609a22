include_guard()
include(deepgemm_check_arguments)

# Compile csrc/deep_gemm/aot/<family>.cu to cubins and append their names and paths to <prefix>_NAMES and _FILES.
#
# One cubin a row DEEP_GEMM_CONFIG(name, arg, ...) of shared/<family>_configs.def, or one where there is no such
# file. Name and arguments go by the command line and the .cu does not include the table, so that editing a row
# compiles that row alone. What ptxas reports is kept beside each cubin as <cubin>.ptxas.txt.
#
# STAMP is a file that is newer than the cubins once they must be made again. VLLM_CUDA_JOB_POOL, where it is set,
# names the pool of CMAKE_JOB_POOLS that bounds how many nvcc run at a time.
#
#   deepgemm_add_cubins(FAMILY <family> NVCC <path> OUTPUT <prefix> [STAMP <file>])
function(deepgemm_add_cubins)
  cmake_parse_arguments(PARSE_ARGV 0 ARG "" "FAMILY;NVCC;OUTPUT;STAMP" "")
  deepgemm_check_arguments(deepgemm_add_cubins REQUIRED FAMILY NVCC OUTPUT)
  set(names "${${ARG_OUTPUT}_NAMES}")
  set(files "${${ARG_OUTPUT}_FILES}")

  set(table "${CMAKE_SOURCE_DIR}/csrc/deep_gemm/shared/${ARG_FAMILY}_configs.def")
  set(rows "")
  if(EXISTS "${table}")
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${table}")
    file(STRINGS "${table}" rows REGEX "^[ \t]*[^/ \t]")
    if(rows STREQUAL "")
      message(FATAL_ERROR "${table}: expected a row DEEP_GEMM_CONFIG(name, ...), found none")
    endif()
  endif()
  if(rows STREQUAL "")
    _deepgemm_add_cubin("${ARG_FAMILY}" "${ARG_FAMILY}" "")
  endif()
  foreach(row IN LISTS rows)
    if(NOT row MATCHES "^[ \t]*DEEP_GEMM_CONFIG\\([ \t]*([A-Za-z0-9_]+)[ \t]*,([^()]*)\\)")
      message(FATAL_ERROR "${table}: expected DEEP_GEMM_CONFIG(name, arg, ...) on one line, found: ${row}")
    endif()
    set(config "${CMAKE_MATCH_1}")
    string(REGEX REPLACE "[ \t]" "" arguments "${CMAKE_MATCH_2}")
    string(REGEX REPLACE "[^,]" "" commas "${arguments}")
    if(NOT DEFINED first_commas)
      set(first_commas "${commas}")
    elseif(NOT commas STREQUAL first_commas)
      message(FATAL_ERROR "${table}: expected as many arguments as in the first row, found: ${row}")
    endif()
    string(REPLACE "," "\\," arguments "${arguments}")  # nvcc takes a bare comma for the next macro
    _deepgemm_add_cubin("${ARG_FAMILY}" "${ARG_FAMILY}_${config}"
      "-DDEEP_GEMM_CONFIG_NAME=${config};-DDEEP_GEMM_CONFIG_ARGS=${arguments}")
  endforeach()
  set(${ARG_OUTPUT}_NAMES "${names}" PARENT_SCOPE)
  set(${ARG_OUTPUT}_FILES "${files}" PARENT_SCOPE)
endfunction()

# CMake would rewrite the depfile with `cmake -E`, whose path changes with every isolated build environment and
# would make every cubin stale. Ours needs no rewriting: all its paths are relative to the folder that ninja runs
# in. Version 3.19 is the last one before CMP0116 asked for that step.
cmake_policy(PUSH)
cmake_policy(VERSION 3.19)

# Add the command that makes cubin <name>, and append to the caller's `names` and `files`.
function(_deepgemm_add_cubin family name definitions)
  if(name IN_LIST names)
    message(FATAL_ERROR "shared/${family}_configs.def: the cubin '${name}' is there twice")
  endif()
  # Relative paths keep the folder of the checkout out of the cubin and out of the compiler cache's key.
  file(RELATIVE_PATH csrc "${CMAKE_BINARY_DIR}" "${CMAKE_SOURCE_DIR}/csrc/deep_gemm")
  set(cubin "cubins/${name}.cubin")
  set(pool "")
  if(VLLM_CUDA_JOB_POOL)
    set(pool JOB_POOL "${VLLM_CUDA_JOB_POOL}")
  endif()
  add_custom_command(
    OUTPUT "${CMAKE_BINARY_DIR}/${cubin}"
    BYPRODUCTS "${CMAKE_BINARY_DIR}/${cubin}.ptxas.txt"
    COMMAND sh "${csrc}/../../cmake/compile_cubin.sh" "${cubin}" "${ARG_NVCC}"
      -cubin -arch=sm_90a -std=c++20 -O3 -Xptxas -v -I "${csrc}" ${definitions}
      -MD -MF "${cubin}.d" -o "${cubin}" "${csrc}/aot/${family}.cu"
    DEPENDS "${CMAKE_SOURCE_DIR}/csrc/deep_gemm/aot/${family}.cu" "${CMAKE_SOURCE_DIR}/cmake/compile_cubin.sh" ${ARG_STAMP}
    DEPFILE "${cubin}.d"
    ${pool}
    WORKING_DIRECTORY "${CMAKE_BINARY_DIR}"
    COMMENT "Compiling ${name}.cubin"
    VERBATIM)
  list(APPEND names "${name}")
  list(APPEND files "${CMAKE_BINARY_DIR}/${cubin}")
  set(names "${names}" PARENT_SCOPE)
  set(files "${files}" PARENT_SCOPE)
endfunction()

cmake_policy(POP)
