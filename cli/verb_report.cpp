// SPDX-License-Identifier: Apache-2.0
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <ctime>
#include <filesystem>

#include "base/error.hpp"
#include "clone.hpp"
#include "info_json.hpp"
#include "progress.hpp"
#include "report_page.hpp"
#include "verbs.hpp"

namespace flatkv::cli {
namespace {

constexpr std::size_t kMostBlocks = 100'000;

struct ReportArguments {
  ReadFrom from;
  std::string out = "-";
  bool no_scan = false;
  bool verify = false;
};

std::optional<std::int64_t> written_at(const std::filesystem::path& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return std::nullopt;
  return info.st_mtim.tv_sec;
}

/// When the store had which version. A segment is named by the version that it begins with, and was
/// last written when the next one began.
std::vector<ReportFacts::Written> times_of(const std::string& store, const StoreInfo& info) {
  std::vector<std::pair<std::int64_t, std::filesystem::path>> segments;
  std::error_code failed;
  const auto folder = std::filesystem::path(store) / info.generation / "changelog";
  for (std::filesystem::directory_iterator at(folder, failed), end; !failed && at != end;
       at.increment(failed)) {
    const std::string name = at->path().stem().string();
    std::int64_t first = 0;
    const auto [rest, wrong] = std::from_chars(name.data(), name.data() + name.size(), first);
    if (at->path().extension() == ".log" && wrong == std::errc() && *rest == '\0') {
      segments.emplace_back(first, at->path());
    }
  }
  std::ranges::sort(segments);
  std::vector<ReportFacts::Written> times;
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const std::int64_t last = i + 1 < segments.size() ? segments[i + 1].first - 1
                              : info.log              ? info.log->last
                                                      : segments[i].first;
    if (const auto time = written_at(segments[i].second)) times.push_back({last, *time});
  }
  for (const SnapshotInfo& snapshot : info.snapshots) {
    const auto time = written_at(std::filesystem::path(snapshot.path) / "SNAPSHOT");
    if (time && !snapshot.problem) times.push_back({snapshot.version, *time});
  }
  std::ranges::sort(times, {}, [](const auto& one) { return std::pair(one.version, one.time); });
  // A copied store has the times of the copy: what contradicts the versions says nothing.
  std::int64_t latest = 0;
  std::erase_if(times, [&](const auto& one) {
    if (one.time < latest) return true;
    latest = one.time;
    return false;
  });
  return times;
}

Outcome<void> read_log(ReportFacts& facts, Context& context) {
  if (!facts.info.log || facts.info.log->last == facts.info.log->base) return {};
  const std::int64_t first = std::max(
      facts.info.log->base + 1, facts.info.log->last - static_cast<std::int64_t>(kMostBlocks) + 1);
  FLATKV_ASSIGN(LogReader log, LogReader::open(facts.store, first, false));
  while (facts.blocks.size() < kMostBlocks) {
    if (context.interrupts.requested())
      return std::unexpected(interrupted(context.interrupts, kBeginsAnew));
    auto block = log.next();
    if (!block) {
      // What the log is worth stands in the info; the page shows what could be read.
      context.console.warning("the log could be read only in part: " + block.error().to_string());
      return {};
    }
    if (!*block) return {};
    facts.blocks.push_back((*block)->record);
  }
  return {};
}

Outcome<void> read_rows(const ReportArguments& arguments, ReportFacts& facts, Context& context) {
  FLATKV_ASSIGN(const ReadOnlyStore store, open_clone(arguments.from, context));
  facts.version = store.version();
  facts.roots = store.roots();
  FLATKV_ASSIGN(facts.tables, table_info(store));
  if (!arguments.no_scan) {
    Progress progress(context.console, "contracts");
    ContractsOptions options;
    options.stop = context.interrupts.token();
    options.progress = [&](std::string_view, std::uint64_t rows, std::uint64_t total) {
      progress.update("", rows, rows, total);
    };
    FLATKV_ASSIGN(facts.contracts, largest_contracts(store.view(), options));
  }
  if (arguments.verify) {
    Progress progress(context.console, "verify");
    VerifyOptions options;
    options.stop = context.interrupts.token();
    options.progress = [&](std::string_view, std::uint64_t rows, std::uint64_t total) {
      progress.update("", rows, rows, total);
    };
    FLATKV_ASSIGN(facts.verified, store.verify(options));
  }
  return {};
}

Outcome<ExitCode> run(const ReportArguments& arguments, Context& context) {
  ReportFacts facts;
  facts.store = arguments.from.store;
  facts.made = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
  FLATKV_ASSIGN(facts.info, inspect_store(arguments.from.store));
  if (!facts.info.problems.empty()) return std::unexpected(Trouble(facts.info.problems.front()));
  FLATKV_TRY(read_rows(arguments, facts, context));
  FLATKV_TRY(read_log(facts, context));
  facts.times = times_of(arguments.from.store, facts.info);
  const std::string page = report_page(facts);
  context.output_is_data = arguments.out == "-";
  if (context.output_is_data) {
    FLATKV_TRY(context.out.write(page));
  } else {
    FLATKV_ASSIGN(const auto file, Output::open(arguments.out));
    FLATKV_TRY(file->write(page));
    FLATKV_TRY(file->close());
    if (context.json) {
      const nlohmann::ordered_json json = {
          {"version", facts.version}, {"bytes", page.size()}, {"roots", to_json(facts.roots)}};
      FLATKV_TRY(context.out.write(to_text(json) + "\n"));
    } else {
      context.console.note(fmt::format("version {}: {} written to {}", facts.version,
                                       human_bytes(page.size()), arguments.out));
    }
  }
  if (!facts.verified || facts.verified->good()) return ExitCode::done;
  FLATKV_TRY(context.out.flush());
  Trouble no(ExitCode::no, fmt::format("version {} does not verify", facts.version),
             "`flatkv verify STORE` says what differs, and which command could help");
  no.answered = true;
  return std::unexpected(std::move(no));
}

}  // namespace

void add_report(Registry& verbs) {
  verbs.add<ReportArguments>(
      "report",
      "Makes one page about a store for people to look at: sizes and growth, blocks and roots, "
      "the largest contracts, snapshots and how far back one can go, scrub and verification. The "
      "page is a file that loads nothing from anywhere",
      "flatkv report ./state --out state.html",
      [](CLI::App& verb, ReportArguments& arguments) {
        read_arguments(verb, arguments.from, false);
        verb.add_option("--out", arguments.out, "File to write; `-` is standard output")
            ->type_name("FILE")
            ->check(not_empty())
            ->capture_default_str();
        verb.add_flag("--no-scan", arguments.no_scan,
                      "Leave out the contracts, for which every storage row is read");
        verb.add_flag("--verify", arguments.verify, "Verify every row, too; exit 1 if that fails");
      },
      run);
}

}  // namespace flatkv::cli
