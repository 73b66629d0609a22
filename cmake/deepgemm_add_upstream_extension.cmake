include_guard()
include(deepgemm_check_arguments)

# Add the module _C<suffix> of an upstream checkout: its pybind11 binding, compiled by the build's own compiler against
# the build's torch; of the target CPython only headers and SOABI are used.
#
# <prefix> is that of deepgemm_find_upstream; <prefix>_JOBS of these compiles run at a time, or DEEPGEMM_UPSTREAM_JOBS.
#
#   deepgemm_add_upstream_extension(TARGET <target> SOABI <text> SUFFIX <suffix> UPSTREAM <prefix> INCLUDE <folder>...)
function(deepgemm_add_upstream_extension)
  cmake_parse_arguments(PARSE_ARGV 0 ARG "" "TARGET;SOABI;SUFFIX;UPSTREAM" "INCLUDE")
  deepgemm_check_arguments(deepgemm_add_upstream_extension REQUIRED TARGET SOABI SUFFIX UPSTREAM INCLUDE)
  set(source "${${ARG_UPSTREAM}_SOURCE}")
  set(torch "${${ARG_UPSTREAM}_TORCH}")
  _deepgemm_upstream_pool("${${ARG_UPSTREAM}_JOBS}")
  add_library(${ARG_TARGET} MODULE "${source}/csrc/python_api.cpp" "${CMAKE_SOURCE_DIR}/cmake/deepgemm_soabi.cpp")
  target_compile_features(${ARG_TARGET} PRIVATE cxx_std_20)
  # Source: the folders and definitions of DeepGEMM's setup.py and of torch.utils.cpp_extension.
  target_include_directories(${ARG_TARGET} PRIVATE "${source}/csrc" "${source}/deep_gemm/include")
  target_include_directories(${ARG_TARGET} SYSTEM PRIVATE
    "${source}/third-party/cutlass/include" "${source}/third-party/cutlass/tools/util/include"
    "${source}/third-party/fmt/include" ${${ARG_UPSTREAM}_INCLUDE} ${ARG_INCLUDE})
  target_compile_definitions(${ARG_TARGET} PRIVATE
    TORCH_EXTENSION_NAME=_C TORCH_API_INCLUDE_EXTENSION_H _GLIBCXX_USE_CXX11_ABI=${${ARG_UPSTREAM}_TORCH_ABI}
    DEEP_GEMM_SOABI="${ARG_SOABI}"
    # Headers of another torch may be older than the objects: its version is part of the command.
    DEEP_GEMM_TORCH="${${ARG_UPSTREAM}_TORCH_VERSION}")
  target_compile_options(${ARG_TARGET} PRIVATE -Wno-psabi -Wno-deprecated-declarations
    "-ffile-prefix-map=${source}=DeepGEMM" "-ffile-prefix-map=${torch}=torch" "-ffile-prefix-map=${CMAKE_SOURCE_DIR}=.")
  # The libraries by path: torch is imported first and has loaded them when this is, so no path stays in the binary.
  target_link_libraries(${ARG_TARGET} PRIVATE ${${ARG_UPSTREAM}_LIBRARIES})
  target_link_options(${ARG_TARGET} PRIVATE LINKER:--as-needed LINKER:-O1 LINKER:-z,relro,-z,now)
  set_target_properties(${ARG_TARGET} PROPERTIES
    PREFIX "" OUTPUT_NAME _C SUFFIX "${ARG_SUFFIX}"
    CXX_EXTENSIONS OFF
    CXX_SCAN_FOR_MODULES OFF
    POSITION_INDEPENDENT_CODE ON
    SKIP_BUILD_RPATH ON
    SKIP_INSTALL_RPATH ON
    LINK_DEPENDS_NO_SHARED ON
    JOB_POOL_COMPILE deepgemm_upstream
    LIBRARY_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/deep_gemm")
endfunction()

# Make the pool of compilers, of as many as memory bears; whoever knows better names another number.
function(_deepgemm_upstream_pool jobs)
  get_property(pools GLOBAL PROPERTY JOB_POOLS)
  if(pools MATCHES "deepgemm_upstream=")
    return()
  endif()
  if(DEEPGEMM_UPSTREAM_JOBS)
    set(jobs "${DEEPGEMM_UPSTREAM_JOBS}")
  endif()
  # The property hides the variable of the same meaning, which presets set.
  set_property(GLOBAL PROPERTY JOB_POOLS ${pools} ${CMAKE_JOB_POOLS} deepgemm_upstream=${jobs})
endfunction()
