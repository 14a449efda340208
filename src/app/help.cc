// The help texts, written by hand: they are the first thing that a new user reads.
#include <array>

#include "app/command_line.h"

namespace millrace {
namespace {

struct Help {
  std::string_view command;
  std::string_view text;
};

constexpr std::array<Help, 13> kHelps = {{
    {"", R"(millrace - Kafka topics, through filter, classify and decorate, to Kafka topics. Exactly once.

usage: millrace COMMAND ...

  run FILE      run the pipeline of a YAML file until it is asked to stop
  check FILE    say everything that is wrong with a file; with --connect, ask the brokers too
  reload FILE   have the daemon that runs a file take over what has changed in it
  diff OLD NEW  say what differs between two files, and how a running daemon takes it
  graph FILE    draw the pipeline as text, or for mermaid
  topics FILE   print the commands that create the topics; with --measured, how large they should be
  reconcile FILE
                hold what was sent against what is in the destinations, over a stretch of time
  advise FILE   ask the running daemon what limits it now, and what to turn
  history FILE  print the last batches, or events, of a pipeline
  eval EXPR     try an expression on records from the command line, a file or standard input
  knobs         list every number that can be turned, with default and range
  version       print the version, and that of librdkafka
  help COMMAND  say more about a command

A first pipeline, orders.yaml:

  pipeline: large-orders
  kafka:
    brokers: [localhost:9092]
  sources:
    orders:
      topics: [orders]
  stages:
    large:
      from: orders
      filter: |-
        value.total > 1000
  destinations:
    large:
      from: large
      topic: orders.large
  dead_letters:
    topic: orders.dead

  millrace check orders.yaml
  millrace run orders.yaml

Exit codes: 0 done, 1 internal error, 2 wrong usage, 3 already running, 4 fenced by another instance, 5 refused by the
brokers, 6 stop cut short, 7 no progress, 8 stopped by a policy or the offset audit, 78 the file is wrong.
)"},
    {"run", R"(millrace run - run a pipeline until it is asked to stop

usage: millrace run FILE [--instance NAME] [--accept-start] [--accept-offsets committed|expected]

  --instance NAME        name this instance, in the place of `instance:` in the file and of the host's name. Instances
                         of one pipeline share its partitions; each needs a name of its own
  --accept-start         begin although the group has no committed offsets while the state directory remembers a run.
                         Without it millrace stops (exit code 8), because records would be read twice or left out
  --accept-offsets FROM  go on after an offset audit has found a difference (exit code 8): from what is `committed`
                         (what was written already is written again) or from what was `expected` (what lies between is
                         left out)

To stop it: remove its touch file (`running` in the state directory, or stop.touch_file), or send SIGTERM or SIGINT. It
closes its batch at once and ends. A second signal leaves it one second more. Nothing is lost either way, nor by
SIGKILL.

State (lock, touch file, small notes) lies in state.directory, else in systemd's StateDirectory, else in
$XDG_STATE_HOME/millrace or ~/.local/state/millrace, below PIPELINE/INSTANCE.
)"},
    {"check", R"(millrace check - say everything that is wrong with a file

usage: millrace check FILE [--connect]

  --connect  ask the brokers too: topics and what `expect` says of them, their settings with the broker's defaults,
             partitions, rights, sizes, transactions. Secrets (${env:...}, ${file:...}, ${credential:...}) are resolved
             only then

Prints every problem as FILE:LINE:COLUMN: error: ..., in the order of the file. Warnings do not fail.
Exit code: 0 when there is no error, 78 when there is one.
)"},
    {"reload", R"(millrace reload - have the running daemon take over what has changed in its file

usage: millrace reload FILE [--instance NAME]

  --instance NAME  which one, where several instances on this machine run the same file

Finds the daemon that runs FILE by its state directory, has it read the file again, waits, and prints every change with
how it applied: live (at once), next batch (each worker, between two batches), new producer (so, with a new producer),
needs restart (not applied; all else is). A wrong file changes nothing: the old configuration runs on. SIGHUP does the
same without an answer. A daemon that is busy, with a reload of someone else or a large table, is waited for: 80 s in
all.

Exit code: 0 when everything is in effect; 1 when something needs a restart or is not in effect yet, or no daemon
answers; 2 when --instance is needed; 78 when the file was refused.
)"},
    {"diff", R"(millrace diff - say what differs between two files

usage: millrace diff OLD NEW

Prints every change with how a daemon that runs OLD would take it, if NEW stood in its place: live, next batch, new
producer, or needs restart.
Exit code: 0 when nothing differs, 1 when something does, 78 when one of the files is wrong.
)"},
    {"graph", R"(millrace graph - draw the pipeline

usage: millrace graph FILE [--format text|mermaid]

  --format FORMAT  `text` (default), or `mermaid` for a flowchart that many documentation systems draw
)"},
    {"topics", R"(millrace topics - the commands that create the topics of a pipeline, and how large they should be

usage: millrace topics FILE [--connect] [--measured [--over DURATION] [--records-per-partition N]]

  --connect   ask the brokers which topics there are, and how many partitions the sources have
  --measured  ask the running daemon (http.listen) for its rates, and print partitions and storage for each topic
  --over DURATION
              how long to measure (10s); longer than a few of the pipeline's batches
  --records-per-partition N
              what one reader of one partition can take, in records a second (10000)

Prints a kafka-topics.sh line for each destination and the dead letters. Partitions are those of `expect`, else as many
as the largest source has, else the broker's default; replication and retention are those of `expect`, else the
broker's.
Measured: partitions for twice the rate, and never fewer than workers; storage is rate x retention x replication, with
--connect as the topics themselves are set, else by `expect`.
Exit code: 0, or 1 when nobody answers, or 78 when the file is wrong.
)"},
    {"reconcile", R"(millrace reconcile - hold what was sent against what is in the destinations

usage: millrace reconcile FILE --from TIME [--to TIME]

  --from, --to  a time (2026-01-31T12:00:00Z), `now`, or how long ago (2h). By the timestamps of records; --to itself is
                not in it. Default of --to: now

What was sent is computed again: everything that the group has read of that time goes through the graph of FILE once
more. So it does not depend on counters, restarts or instances, and FILE and its tables must be those that ran then; an
expression that uses `now` sees other times. What is there is read with read_committed. Counts and contents of each
partition are compared; differing records are named where they are few. Reads the sources and the destinations from
--from to their ends; joins no group, commits nothing, and needs about 64 MiB.

A destination is decidable when it is declared `exclusive: true`, is not compacted, keeps the records' own timestamps,
and its retention has not reached --from. Of the others it says why not. Under at_least_once and sync, more than was
sent is no difference. While the pipeline still writes records of that time, take an earlier --to.
Exit code: 0 when every decidable destination is equal; 1 when one differs, none is decidable, or nobody answers; 2 or
78 when the command line or the file is wrong.
)"},
    {"knobs", R"(millrace knobs - list every number that can be turned

usage: millrace knobs

Prints for each knob its key in the YAML, default, range, and whether it needs a restart.
)"},
    {"advise", R"(millrace advise - ask the running daemon what limits it now, and what to turn

usage: millrace advise FILE [--instance NAME]

Prints one sentence with its numbers, and the knob to turn where one helps. It looks back over six intervals, at least
15 s. The daemon is asked at http.listen of the file. Exit code: 0, or 1 when nobody answers there.
)"},
    {"history", R"(millrace history - print the last batches, or events, of a pipeline

usage: millrace history FILE [--instance NAME] [--batches | --events] [--last N] [--json]

  --instance NAME  of this instance, in the place of `instance:` in the file and of the host's name
  --batches        one line a batch (the default)
  --events         one line an event: start, stop, reload, partitions, workers, connections, recoveries
  --last N         so many lines at most, the newest last (20)
  --json           one object a line, with every column of the table

Works while the daemon runs and after it has ended. The rows lie in history.sqlite in the state directory, or in
PostgreSQL (`history:` in the file); runbooks/tuning/history.md has the queries that answer more.
)"},
    {"version", R"(millrace version - print the version

usage: millrace version
)"},
    {"eval", R"(millrace eval - try an expression on a record, or on a stream of them

usage: millrace eval EXPR [--value JSON|@FILE|-] [--key TEXT] [--header NAME=TEXT]... [--topic NAME]
                          [--partition N] [--offset N] [--explain]

  --value JSON        the record's value; without it the record is a tombstone
  --value @FILE       a file with the value, or with one on each line (JSON Lines)
  --value -           values from standard input, one on each line
  --key TEXT          the record's key
  --header NAME=TEXT  a header; may be given several times
  --topic, --partition, --offset
                      where the record stands; of several records the first
  --explain           print type, fields that are read, compiled form and worst-case cost first

Prints a line for each record: the result as JSON, (nothing) for an optional that is none, or what is wrong.
Exit code: 0, or 1 when an evaluation failed, or 2 when the file cannot be read, or 78 when the expression is wrong.

  millrace eval 'value.delta > 1000 && has(value.page)' --value '{"delta": 1500, "page": "Kafka"}'
  kcat -C -b localhost:9092 -t edits -c 100 | millrace eval 'value.?delta' --value -
)"},
}};

}  // namespace

std::string_view help_text(std::string_view command) {
  for (const Help& help : kHelps) {
    if (help.command == command) return help.text;
  }
  return "";
}

std::vector<std::string> command_names() {
  std::vector<std::string> names;
  for (const Help& help : kHelps) {
    if (!help.command.empty()) names.emplace_back(help.command);
  }
  names.emplace_back("help");
  return names;
}

}  // namespace millrace
