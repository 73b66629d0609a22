include_guard()
include(deepgemm_check_arguments)
include(deepgemm_compile_options)

# Add the module _C<suffix>: the binding, compiled against one CPython's headers and linked to <library>.
#
#   deepgemm_add_extension(TARGET <target> SOABI <text> SUFFIX <suffix> LIBRARY <target>
#                          INCLUDE <folder>... SOURCES <source>... [DEFINITIONS <name=value>...])
function(deepgemm_add_extension)
  cmake_parse_arguments(PARSE_ARGV 0 ARG "" "TARGET;SOABI;SUFFIX;LIBRARY" "INCLUDE;SOURCES;DEFINITIONS")
  deepgemm_check_arguments(deepgemm_add_extension REQUIRED TARGET SOABI SUFFIX INCLUDE LIBRARY SOURCES)
  add_library(${ARG_TARGET} MODULE ${ARG_SOURCES})
  deepgemm_compile_options(TARGET ${ARG_TARGET})
  # The binding throws nothing: so that no unwinder (90 kB of a static libgcc) is linked into each extension.
  target_compile_options(${ARG_TARGET} PRIVATE -fno-exceptions -fno-rtti)
  target_include_directories(${ARG_TARGET} SYSTEM PRIVATE ${ARG_INCLUDE})
  target_compile_definitions(${ARG_TARGET} PRIVATE DEEP_GEMM_SOABI="${ARG_SOABI}" ${ARG_DEFINITIONS})
  target_link_libraries(${ARG_TARGET} PRIVATE ${ARG_LIBRARY})
  set_target_properties(${ARG_TARGET} PROPERTIES
    PREFIX "" OUTPUT_NAME _C SUFFIX "${ARG_SUFFIX}"
    # One unit: most of an extension's compile is Python.h, which each unit would read again.
    UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 0
    LINK_DEPENDS_NO_SHARED ON)  # a new kernel does not link the extensions again
endfunction()
