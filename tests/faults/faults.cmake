# Not part of the default build: tests/faults/run asks for it by name.
add_executable(faults_copier EXCLUDE_FROM_ALL ${CMAKE_CURRENT_LIST_DIR}/copier.cc)
target_link_libraries(faults_copier PRIVATE rdkafka::rdkafka)
