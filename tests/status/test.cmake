# The corpus of the HTTP fuzz target (tests/fuzz) as a test.
add_executable(replay_status_http tests/fuzz/status_http_fuzz.cc tests/fuzz/replay_main.cc)
target_include_directories(replay_status_http PRIVATE ${CMAKE_SOURCE_DIR}/tests)
target_link_libraries(replay_status_http PRIVATE millrace_status)
add_test(NAME replay_status_http COMMAND replay_status_http ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/status_http)
set_tests_properties(replay_status_http PROPERTIES LABELS unit TIMEOUT 120)
