include_guard()
include(deepgemm_check_arguments)

# Install <extensions>, and <library> where they have one, as component _deep_gemm_C beside their Python files, and
# nothing stale with them.
#
#   deepgemm_install(EXTENSIONS <target>... [LIBRARY <target>])
function(deepgemm_install)
  cmake_parse_arguments(PARSE_ARGV 0 ARG "" "LIBRARY" "EXTENSIONS")
  deepgemm_check_arguments(deepgemm_install REQUIRED EXTENSIONS)
  set(destination "vllm/third_party/deep_gemm")
  set(names "")
  foreach(extension IN LISTS ARG_EXTENSIONS)
    get_target_property(suffix ${extension} SUFFIX)
    list(APPEND names "_C${suffix}")
  endforeach()
  # An interpreter that left the list takes its extension along: a stale one would still be imported.
  install(CODE "
    set(expected \"${names}\")
    file(GLOB installed RELATIVE \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${destination}\"
      \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${destination}/_C.*.so\")
    foreach(name IN LISTS installed)
      if(NOT name IN_LIST expected)
        message(STATUS \"Removing: \${name}\")
        file(REMOVE \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${destination}/\${name}\")
      endif()
    endforeach()" COMPONENT _deep_gemm_C)
  add_custom_target(deep_gemm_C DEPENDS ${ARG_LIBRARY} ${ARG_EXTENSIONS})  # all that a wheel holds
  install(TARGETS ${ARG_LIBRARY} ${ARG_EXTENSIONS} LIBRARY DESTINATION "${destination}" COMPONENT _deep_gemm_C)
endfunction()
