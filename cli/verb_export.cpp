// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <filesystem>

#include "base/error.hpp"
#include "clone.hpp"
#include "flatkv/tools/transfer.hpp"
#include "info_json.hpp"
#include "progress.hpp"
#include "stored.hpp"
#include "verbs.hpp"

namespace flatkv::cli {
namespace {

struct ExportArguments {
  ReadFrom from;
  std::string file;
  std::string to;
  std::uint32_t keep = 0;
  PartsArguments parts;
};

/// Standard output as the library writes streams.
class StandardSink : public ByteSink {
 public:
  explicit StandardSink(Output& out) : out_(out) {}
  Status write(ByteView bytes) override {
    auto written = out_.write(as_chars(bytes));
    if (written) return {};
    trouble = std::move(written).error();
    return fail(ErrorCode::io, trouble->message);
  }
  std::optional<Trouble> trouble;

 private:
  Output& out_;
};

/// Refuses a bad destination before the state is copied and written.
Outcome<void> check_target(const std::string& file) {
  if (file == "-") {
    FLATKV_TRY(Output::open(file));  // it may be closed
    return {};
  }
  FLATKV_TRY(outside_of_stores(file));
  const auto parent = std::filesystem::path(file).parent_path();
  std::error_code error;
  if (parent.empty() || std::filesystem::is_directory(parent, error)) return {};
  return trouble(
      ExitCode::usage,
      file + ": " + parent.string() + (error ? ": " + error.message() : " is not a directory"),
      "make that directory first, or choose another");
}

Outcome<ExitCode> run(const ExportArguments& arguments, Context& context) {
  if (arguments.file.empty() == arguments.to.empty()) {
    return trouble(ExitCode::usage, "give either FILE or --to LOCATION");
  }
  if (!arguments.to.empty()) {
    return export_stored(arguments.from, arguments.to, arguments.keep, arguments.parts, context);
  }
  FLATKV_TRY(check_target(arguments.file));
  context.output_is_data = arguments.file == "-";
  FLATKV_ASSIGN(const ReadOnlyStore store, open_clone(arguments.from, context));
  const ReadView view = store.view();
  Progress progress(context.console, "export");
  TransferOptions options;
  options.stop = context.interrupts.token();
  options.progress = [&progress](std::string_view, std::uint64_t rows, std::uint64_t total) {
    progress.update("", rows, rows, total);
  };
  if (arguments.file == "-") {
    StandardSink sink(context.out);
    const Status done = export_state(view, sink, options);
    if (!done) return std::unexpected(sink.trouble ? *sink.trouble : Trouble(done.error()));
    return ExitCode::done;
  }
  const Status done = export_to_file(view, arguments.file, options);
  context.console.end_progress();
  if (!done) {
    Trouble why(done.error());
    if (done.error().code == ErrorCode::locked)
      why.advice = "let one export to a file run at a time";
    return std::unexpected(std::move(why));
  }
  if (context.json) {
    nlohmann::ordered_json answer = {{"version", view.version()}, {"file", arguments.file}};
    answer["roots"] = to_json(view.roots());
    FLATKV_TRY(context.out.write(to_text(answer) + "\n"));
  } else {
    FLATKV_TRY(context.out.write(fmt::format(
        "version {} with root {} written to {} in {:.1f} s\n  `flatkv check {}` verifies it "
        "anywhere; hand over the roots line with it:\n  `flatkv root STORE --at {} --json`\n",
        view.version(), to_hex(view.roots().root), arguments.file, progress.seconds(),
        arguments.file, view.version())));
  }
  return ExitCode::done;
}

}  // namespace

void add_export(Registry& verbs) {
  verbs.add<ExportArguments>(
      "export",
      "Writes the whole state at one version as a stream that anyone can check, or as a snapshot "
      "into object storage; equal states give equal bytes",
      "flatkv export ./state state.flatkv.zst --at 1000000\n"
      "flatkv export ./state --to s3://snapshots/mainnet --keep 3",
      [](CLI::App& verb, ExportArguments& arguments) {
        read_arguments(verb, arguments.from);
        verb.add_option("FILE", arguments.file,
                        "Where to: `-` is standard output, `.zst` compresses")
            ->check(not_empty());
        CLI::Option* const to =
            verb.add_option("--to", arguments.to,
                            "Into object storage, in parts: s3://BUCKET/PREFIX or file:DIRECTORY; "
                            "the keys of S3 come from the environment (AWS_ACCESS_KEY_ID, …) or "
                            "~/.aws/credentials. Parts that are there are not sent again")
                ->type_name("LOCATION")
                ->check(not_empty());
        verb.add_option("--keep", arguments.keep,
                        "Remove the oldest snapshots there until so many are left (default: none)")
            ->type_name("N")
            ->check(whole_number(1, 1'000'000))
            ->needs(to);
        parts_arguments(verb, to, arguments.parts);
      },
      run);
}

}  // namespace flatkv::cli
