// SPDX-License-Identifier: Apache-2.0
#include "layout/generation.hpp"

#include <algorithm>
#include <filesystem>

#include "base/failpoint.hpp"
#include "fs/absolute.hpp"
#include "fs/files.hpp"
#include "layout/names.hpp"
#include "layout/removal.hpp"
#include "layout/sealed_json.hpp"

namespace flatkv::layout {
namespace {

Failure not_a_directory(const std::string& path) {
  return fail(ErrorCode::corruption, "this is not a directory, and should be").path(path);
}

Failure no_store(const std::string& path) {
  return fail(ErrorCode::not_found,
              "there is no store here; `flatkv init` or `flatkv apply --create` makes one")
      .path(path);
}

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

bool has_unfinished(const StoreSurvey& survey, Purpose purpose) {
  return std::ranges::any_of(survey.unfinished,
                             [&](const auto& one) { return one.purpose == purpose; });
}

Status see_current(fs::FileSystem& files, const std::string& store, StoreSurvey& survey) {
  auto name = read_decoded(files, fs::join(store, kCurrentFile), kMaxCurrentBytes, decode_current);
  if (name) {
    survey.current = *std::move(name);
  } else if (name.error().code == ErrorCode::corruption) {
    survey.current_problem = std::move(name).error();
  } else {
    // An I/O error or a newer format does not make CURRENT bad: its content is unknown.
    return std::unexpected(std::move(name).error());
  }
  return {};
}

Status see_entry(fs::FileSystem& files, const std::string& store, const fs::DirEntry& entry,
                 StoreSurvey& survey) {
  if (entry.name == kCurrentFile) return see_current(files, store, survey);
  if (entry.name == kImportDirectory) survey.import_parts = true;
  const bool generation = parse_generation_name(entry.name).has_value();
  const auto unfinished = parse_unfinished_name(entry.name);
  const bool clone = is_clone_name(entry.name);
  if (!generation && !unfinished && !clone) return {};
  if (entry.type != fs::FileType::directory) return not_a_directory(fs::join(store, entry.name));
  if (generation) {
    const bool removed = is_removed(files, fs::join(store, entry.name));
    if (!removed) survey.generations.push_back(entry.name);
    if (removed) survey.unfinished.push_back({entry.name, Purpose::rebuild});
  }
  if (unfinished) survey.unfinished.push_back({entry.name, unfinished->purpose});
  if (clone) survey.clones.push_back(entry.name);
  return {};
}

/// The error when no generation is complete.
Failure nothing_complete(const std::string& store, const StoreSurvey& survey) {
  std::vector<std::string> remains;
  for (const auto& one : survey.unfinished) {
    if (one.purpose != Purpose::init) remains.push_back(one.name);
  }
  if (survey.current) remains.push_back("CURRENT, which names " + *survey.current);
  if (survey.current_problem) remains.emplace_back("a damaged CURRENT");
  if (has_unfinished(survey, Purpose::import) || (remains.empty() && survey.import_parts)) {
    return fail(ErrorCode::import_incomplete,
                "an import was interrupted and there is nothing else here; `flatkv import " +
                    (survey.import_parts ? "--from LOCATION " + store + "` goes on with it"
                                         : "FILE " + store + "` does it again") +
                    ", or remove the directory")
        .path(store);
  }
  if (remains.empty()) return no_store(store);
  return fail(ErrorCode::corruption,
              "this was a store, but no complete generation is left of it, "
              "only " +
                  listed(remains))
      .path(store);
}

Status swap_prepared(fs::FileSystem& files, const std::string& current) {
  FLATKV_FAILPOINT("layout.swap.before");
  FLATKV_TRY(fs::finish_replacement(files, current));
  FLATKV_FAILPOINT("layout.swap.after");
  return {};
}

Status rename_generation(fs::FileSystem& files, const std::string& store, const std::string& from,
                         const std::string& to) {
  FLATKV_FAILPOINT("layout.publish.before_rename");
  FLATKV_TRY(files.rename(from, to));
  FLATKV_FAILPOINT("layout.publish.after_rename");
  FLATKV_TRY(files.sync_directory(store));
  FLATKV_FAILPOINT("layout.publish.before_swap");
  return {};
}

}  // namespace

Result<std::string> resolve_store_path(fs::FileSystem& files, const std::string& given) {
  std::error_code error;
  if (const Result<fs::FileInfo> info = files.stat(given);
      info && info->type == fs::FileType::symlink) {
    const std::filesystem::path resolved = std::filesystem::canonical(given, error);
    if (error) return fail_errno(error.value(), "follow the symbolic link", given);
    return resolved.string();
  }
  return fs::absolute(given);
}

Bytes encode_current(const std::string& generation) {
  Sealing object;
  object.number("format", kFormat).text("generation", generation);
  return std::move(object).seal();
}

Result<std::string> decode_current(ByteView bytes) {
  FLATKV_ASSIGN(const Unsealed object, unseal(bytes, kMaxCurrentBytes));
  const Members members(object);
  FLATKV_TRY(check_format(members));
  FLATKV_ASSIGN(const std::string_view name, members.text("generation"));
  if (!parse_generation_name(name)) {
    return fail(ErrorCode::corruption, "member \"generation\" is not a generation's name");
  }
  return std::string(name);
}

Result<StoreSurvey> survey_store(fs::FileSystem& files, const std::string& store) {
  StoreSurvey survey;
  const Result<fs::FileInfo> info = files.stat(store);
  if (!info && info.error().code == ErrorCode::not_found) return survey;
  if (!info) return std::unexpected(info.error());
  if (info->type != fs::FileType::directory) {
    return fail(ErrorCode::not_found, "there is no store here: this is not a directory")
        .path(store);
  }
  survey.exists = true;
  FLATKV_ASSIGN(const auto entries, files.list(store));
  for (const fs::DirEntry& entry : entries) FLATKV_TRY(see_entry(files, store, entry, survey));
  std::ranges::sort(survey.generations, {}, [](const std::string& name) {
    return *parse_generation_name(name);  // with more than eight digits, names do not sort as
                                          // numbers
  });
  return survey;
}

Result<Choice> choose_generation(const std::string& store, const StoreSurvey& survey) {
  if (!survey.exists) return no_store(store);
  if (survey.current && contains(survey.generations, *survey.current)) {
    return Choice{*survey.current, false};
  }
  if (survey.generations.empty()) return nothing_complete(store, survey);
  if (survey.generations.size() == 1) return Choice{survey.generations.front(), true};
  std::string why = "missing";
  if (survey.current) why = "naming " + *survey.current + ", which is not here";
  if (survey.current_problem) why = "damaged (" + survey.current_problem->message + ")";
  return fail(ErrorCode::corruption, "CURRENT is " + why +
                                         ", and several generations are complete: " +
                                         listed(survey.generations) + "; remove the wrong ones")
      .path(store);
}

Result<std::optional<std::string>> foreign_entry(fs::FileSystem& files, const std::string& store) {
  const auto entries = files.list(store);
  if (!entries && entries.error().code == ErrorCode::not_found) return std::nullopt;
  if (!entries) return std::unexpected(entries.error());
  for (const fs::DirEntry& entry : *entries) {
    const std::string& name = entry.name;
    const bool ours = name.starts_with(kCurrentFile) || name == "LOCK" ||
                      name.starts_with(kCursorsFile) || name == kImportDirectory ||
                      parse_generation_name(name) || parse_unfinished_name(name) ||
                      name.starts_with("readonly-");
    if (!ours && name != "lost+found") return name;  // a file system creates it in its root
  }
  return std::nullopt;
}

std::string next_generation(const StoreSurvey& survey) {
  std::uint64_t highest = 0;
  const auto see = [&](std::optional<std::uint64_t> number) {
    highest = std::max(highest, number.value_or(0));
  };
  for (const std::string& name : survey.generations) see(parse_generation_name(name));
  if (survey.current) see(parse_generation_name(*survey.current));
  for (const auto& one : survey.unfinished) {
    const auto parts = parse_unfinished_name(one.name);
    see(parts ? std::optional(parts->number) : parse_generation_name(one.name));
  }
  return generation_name(highest + 1);
}

Status check_directories(fs::FileSystem& files, const std::string& generation) {
  std::vector<std::string> paths = {generation, changelog_path(generation),
                                    working_path(generation), flush_path(generation)};
  for (const Database database : kAllDatabases) {
    paths.push_back(database_path(working_path(generation), database));
  }
  for (const std::string& path : paths) {
    FLATKV_TRY(fs::exists(files, path, fs::FileType::directory));
  }
  return {};
}

Status swap_current(fs::FileSystem& files, const std::string& store,
                    const std::string& generation) {
  const std::string current = fs::join(store, kCurrentFile);
  FLATKV_TRY(fs::prepare_replacement(files, current, encode_current(generation)));
  return swap_prepared(files, current);
}

Status publish_generation(fs::FileSystem& files, const std::string& store,
                          const std::string& unfinished, const std::string& generation) {
  const std::string from = fs::join(store, unfinished);
  const std::string to = fs::join(store, generation);
  FLATKV_TRY(files.sync_directory(from));
  // rename would silently replace an empty directory.
  FLATKV_ASSIGN(const bool taken, fs::exists(files, to, fs::FileType::directory));
  if (taken)
    return fail(ErrorCode::corruption, "a generation of that name is there already").path(to);
  // The last that takes space. Were it written after the rename, a disk that is full by then would
  // leave a complete generation behind an error.
  const std::string current = fs::join(store, kCurrentFile);
  FLATKV_TRY(fs::prepare_replacement(files, current, encode_current(generation)));
  if (Status renamed = rename_generation(files, store, from, to); !renamed) {
    static_cast<void>(fs::drop_replacement(files, current));
    return renamed;
  }
  return swap_prepared(files, current);
}

}  // namespace flatkv::layout
