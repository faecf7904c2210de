// SPDX-License-Identifier: Apache-2.0
#include "nearest.hpp"

#include <algorithm>

namespace flatkv::cli {
namespace {

/// Insertions, deletions, replacements and swaps of neighbours that lead from one to the other.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> steps(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) {
    for (std::size_t j = 0; j <= b.size(); ++j) {
      std::size_t& here = steps[i][j];
      if (i == 0 || j == 0) {
        here = i + j;
        continue;
      }
      here = std::min({steps[i - 1][j] + 1, steps[i][j - 1] + 1,
                       steps[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        here = std::min(here, steps[i - 2][j - 2] + 1);
      }
    }
  }
  return steps[a.size()][b.size()];
}

constexpr std::size_t kLongestWord = 64;

}  // namespace

std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
  if (word.empty() || word.size() > kLongestWord) return {};
  std::string best;
  std::size_t least = std::max<std::size_t>(1, word.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    // An unfinished word counts as one missing letter.
    const std::size_t away = candidate.starts_with(word) ? 1 : distance(word, candidate);
    if (away >= least) continue;
    least = away;
    best = candidate;
  }
  return best;
}

Outcome<void> check_verb(const std::string& word, const std::vector<std::string>& verbs) {
  if (std::ranges::find(verbs, word) != verbs.end()) return {};
  const std::string meant = nearest(word, verbs);
  std::string message = "there is no verb \"" + word + "\"";
  if (!meant.empty()) message += "; did you mean \"" + meant + "\"?";
  return trouble(ExitCode::usage, std::move(message), "`flatkv help` lists the verbs");
}

}  // namespace flatkv::cli
