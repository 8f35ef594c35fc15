# tenon_kinds(<dir> <Interface> <namespace> <header>): every <dir>/<some_name>.cc is one kind, and defines
# Result<void> AddSomeName(Kinds<Interface>&). A file without it does not link.
function(tenon_kinds dir interface namespace header)
  file(GLOB files CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/${dir}/*.cc")
  list(FILTER files EXCLUDE REGEX "_test\\.cc$")
  set(declared "")
  set(called "")
  foreach(file IN LISTS files)
    get_filename_component(stem "${file}" NAME_WE)
    string(REPLACE "_" ";" words "${stem}")
    set(name "")
    foreach(word IN LISTS words)
      string(SUBSTRING "${word}" 0 1 head)
      string(SUBSTRING "${word}" 1 -1 tail)
      string(TOUPPER "${head}" head)
      string(APPEND name "${head}${tail}")
    endforeach()
    string(APPEND declared "Result<void> Add${name}(Kinds<${interface}>&);\n")
    string(APPEND called "  TENON_TRY(Add${name}(kinds), \"adding ${dir}/${stem}.cc\");\n")
  endforeach()
  set(out "${CMAKE_CURRENT_BINARY_DIR}/${dir}/add_all.cc")
  file(CONFIGURE OUTPUT "${out}" @ONLY CONTENT
"// Made by tenon_kinds() from the files in ${dir}/. Do not edit.
#include \"${header}\"
namespace ${namespace} {
${declared}
Result<void> AddAll(Kinds<${interface}>& kinds) {
${called}  return {};
}
}  // namespace ${namespace}
")
  get_filename_component(folder "${CMAKE_CURRENT_SOURCE_DIR}" NAME)
  target_sources(tenon_${folder} PRIVATE ${files} "${out}")
  if(TENON_TESTS)
    file(GLOB tests CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/${dir}/*_test.cc")
    set_property(GLOBAL APPEND PROPERTY tenon_${folder}_tests ${tests})
  endif()
endfunction()

# tenon_folder([LINKS <foreign libraries>...]): the library of one folder of src/. It links what layers.txt lets it
# include; its sources are the folder's *.cc, its tests the *_test.cc.
function(tenon_folder)
  cmake_parse_arguments(arg "" "" "LINKS" ${ARGN})
  get_filename_component(folder "${CMAKE_CURRENT_SOURCE_DIR}" NAME)
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cc")
  list(FILTER sources EXCLUDE REGEX "(_test|_main)\\.cc$")
  add_library(tenon_${folder} STATIC ${sources})
  target_include_directories(tenon_${folder} PUBLIC "${CMAKE_SOURCE_DIR}/src")
  foreach(left IN LISTS TENON_LAYER_${folder})
    if(TARGET tenon_${left})
      target_link_libraries(tenon_${folder} PUBLIC tenon_${left})
    endif()
  endforeach()
  target_link_libraries(tenon_${folder} PUBLIC ${arg_LINKS} Threads::Threads)
endfunction()

# tenon_tests([folder libraries...]): the one test binary of a folder, with its kinds' tests. Call it last.
function(tenon_tests)
  if(NOT TENON_TESTS)
    return()
  endif()
  get_filename_component(folder "${CMAKE_CURRENT_SOURCE_DIR}" NAME)
  file(GLOB tests CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*_test.cc")
  get_property(kind_tests GLOBAL PROPERTY tenon_${folder}_tests)
  list(APPEND tests ${kind_tests})
  if(tests)
    add_executable(${folder}_test ${tests})
    set_target_properties(${folder}_test PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests")
    target_compile_options(${folder}_test PRIVATE -Wno-conversion -Wno-shadow -Wno-dangling-else -UNDEBUG)
    target_link_libraries(${folder}_test PRIVATE tenon_${folder} ${ARGN} GTest::gtest GTest::gtest_main)
    add_test(NAME unit/${folder} COMMAND ${folder}_test WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}")
    set_tests_properties(unit/${folder} PROPERTIES LABELS "fast;unit")
  endif()
endfunction()
