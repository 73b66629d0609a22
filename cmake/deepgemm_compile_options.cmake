include_guard()
include(deepgemm_check_arguments)

# Give <target> what all our shared objects have in common: C++20, hidden symbols, no C++ run time and no folder
# of this machine in the result, only glibc as its floor.
#
#   deepgemm_compile_options(TARGET <target>)
function(deepgemm_compile_options)
  cmake_parse_arguments(PARSE_ARGV 0 ARG "" "TARGET" "")
  deepgemm_check_arguments(deepgemm_compile_options REQUIRED TARGET)
  target_compile_features(${ARG_TARGET} PRIVATE cxx_std_20)
  target_include_directories(${ARG_TARGET} PRIVATE "${CMAKE_SOURCE_DIR}/csrc/deep_gemm")
  target_compile_options(${ARG_TARGET} PRIVATE
    -Wall -Wextra -ffunction-sections -fdata-sections "-ffile-prefix-map=${CMAKE_SOURCE_DIR}=.")
  target_link_options(${ARG_TARGET} PRIVATE
    -static-libstdc++ -static-libgcc LINKER:--exclude-libs,ALL LINKER:--gc-sections LINKER:-O1 LINKER:-z,relro,-z,now)
  set_target_properties(${ARG_TARGET} PROPERTIES
    CXX_EXTENSIONS OFF
    # A scan for modules would put `cmake -E` into every compile, and its path changes with each isolated build.
    CXX_SCAN_FOR_MODULES OFF
    CXX_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON
    POSITION_INDEPENDENT_CODE ON
    BUILD_WITH_INSTALL_RPATH ON
    INSTALL_RPATH "$ORIGIN"
    LIBRARY_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/deep_gemm")
endfunction()
