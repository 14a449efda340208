# The conformance program and its runs over the files of tests/data/cel.
add_executable(cel_conformance tests/expr/cel_conformance.cc)
target_link_libraries(cel_conformance PRIVATE millrace_expr)
add_test(NAME cel_conformance
         COMMAND cel_conformance --deviations ${CMAKE_SOURCE_DIR}/tests/data/cel/deviations.jsonl
                 ${CMAKE_SOURCE_DIR}/tests/data/cel/conformance.jsonl
                 ${CMAKE_SOURCE_DIR}/tests/data/cel/parsing.jsonl
                 ${CMAKE_SOURCE_DIR}/tests/data/cel/supplement.jsonl
                 ${CMAKE_SOURCE_DIR}/tests/data/cel/more.jsonl)
set_tests_properties(cel_conformance PROPERTIES LABELS unit TIMEOUT 60)
find_library(RAPIDCHECK_LIBRARY rapidcheck REQUIRED)
target_link_libraries(expr_test PRIVATE ${RAPIDCHECK_LIBRARY})
# The fuzz targets over their corpora.
foreach(name expr_parser expr_record expr_shapes)
  add_executable(replay_${name} tests/fuzz/${name}_fuzz.cc tests/fuzz/replay_main.cc)
  target_include_directories(replay_${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests)
  target_link_libraries(replay_${name} PRIVATE millrace_expr)
  add_test(NAME replay_${name} COMMAND replay_${name} ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${name})
  set_tests_properties(replay_${name} PROPERTIES LABELS unit TIMEOUT 60)
endforeach()
