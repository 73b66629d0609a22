include_guard()
include(deepgemm_check_arguments)

# Link the cubins <prefix>_FILES into <target> as `deep_gemm_cubins[deep_gemm_cubin_count]` of {name, begin, end}.
#
# csrc/deep_gemm/host declares the table; the assembler carries the bytes, so that no compiler parses them.
#
#   deepgemm_embed_cubins(TARGET <target> NAMES <name>... FILES <cubin>...)
function(deepgemm_embed_cubins)
  cmake_parse_arguments(PARSE_ARGV 0 ARG "" "TARGET" "NAMES;FILES")
  deepgemm_check_arguments(deepgemm_embed_cubins REQUIRED TARGET NAMES FILES)
  set(bytes "")
  set(entries "")
  foreach(name file IN ZIP_LISTS ARG_NAMES ARG_FILES)
    string(APPEND bytes
      "  .balign 64\n.Lbegin_${name}:\n  .incbin \"${file}\"\n.Lend_${name}:\n.Lname_${name}:\n  .asciz \"${name}\"\n")
    string(APPEND entries "  .quad .Lname_${name}, .Lbegin_${name}, .Lend_${name}\n")
  endforeach()
  list(LENGTH ARG_NAMES count)
  set(source "${CMAKE_CURRENT_BINARY_DIR}/${ARG_TARGET}_cubins.S")
  configure_file("${CMAKE_SOURCE_DIR}/cmake/cubins.S.in" "${source}" @ONLY)
  set_source_files_properties("${source}" PROPERTIES OBJECT_DEPENDS "${ARG_FILES}")
  target_sources(${ARG_TARGET} PRIVATE "${source}")
endfunction()
